/* SPDX-License-Identifier: Apache-2.0 */
/* One revocation list (CRL, RFC 5280 section 5), read strictly and made into an index of one part. */
#ifndef MYKEY_JPKI_LIST_H
#define MYKEY_JPKI_LIST_H

#include "services/jpki-verify/index.h"
#include "services/jpki-verify/trust.h"

/* Why a list is not taken: X(ID, "id", "what it must be"). The id goes to the log and the metrics. */
#define LIST_FAULT_TABLE(X)                                                                               \
    X(FORM, "form", "one CertificateList in strict DER, version 2")                                       \
    X(ALGORITHM, "algorithm", "signed with the profile's algorithm")                                      \
    X(ISSUER, "issuer", "issued under the name of a pinned root")                                         \
    X(KEY_ID, "key_id", "an authority key id that names one of the pinned roots")                         \
    X(SIGNATURE, "signature", "signed by that root")                                                      \
    X(THIS_UPDATE, "this_update", "issued before now")                                                    \
    X(NEXT_UPDATE, "next_update", "nextUpdate is there and still to come")                                \
    X(NUMBER, "number", "a CRL number of at most 20 octets")                                              \
    X(SCOPE, "scope", "all certificates of its issuer, or those of one distribution point with one name") \
    X(EXTENSION, "extension", "no other critical extension")                                              \
    X(ENTRY, "entry", "positive serials of at most 20 octets, no critical entry extension")               \
    X(DUPLICATE, "duplicate", "each serial once")                                                         \
    X(OLDER, "older", "its number and thisUpdate not below those of the list in use")                     \
    X(SPACE, "space", "room on the disk and in memory")                                                   \
    X(READER, "reader", "the reader survives it, in time")

#define LIST_FAULT_ENUM(id, name, demand) LIST_FAULT_##id,
typedef enum list_fault { LIST_TAKEN, LIST_FAULT_TABLE(LIST_FAULT_ENUM) LIST_FAULT_COUNT_ } list_fault;
#undef LIST_FAULT_ENUM

/* "signature"; "taken"; "unknown" for a number out of range. Static. */
const char *list_fault_name(unsigned fault);

/* What stands before the entries. Views into the list. */
typedef struct list {
    der_t signed_part, issuer, key_id, entries, signature;
    der_t number;                     /* content octets */
    der_t point;                      /* the distribution point's GeneralName; empty: the list is whole */
    int64_t this_update, next_update; /* seconds since the Unix epoch */
} list_t;

/* Its form, without the entries'. */
DER_CHECKED list_fault list_read(der_t data, const profile_t *profile, list_t *ret_list);

/* Issuer, signature, times: may it be believed? now_s: seconds since the Unix epoch. passed: may be NULL. */
DER_CHECKED list_fault list_check(const list_t *list, const trust_t *trust, int64_t now_s, der_passed_fn *passed,
                                  const root_t **ret_root);

/* The key and head of the part that it becomes. */
index_part list_part(const list_t *list, const root_t *root);

/* ---- entries ---- */

typedef struct list_entry {
    bool is_kept; /* serials above 32 bits are not: no certificate of the profile has one */
    bool is_held;
    uint32_t serial;
} list_entry;

/* The next one; false: it is not well-formed. */
DER_CHECKED bool list_next(der_t *entries, list_entry *ret_entry);

/* list_write.c: the index of one part into fd, an empty file opened for reading and writing. Goes over the entries once
 * for each million of them: memory of its own is 8 MiB, however long the list is. */
DER_CHECKED list_fault list_write(const list_t *list, const index_part *part, int fd, der_passed_fn *passed);

#endif
