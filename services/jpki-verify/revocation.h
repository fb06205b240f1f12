/* SPDX-License-Identifier: Apache-2.0 */
/* One revocation list, read once into a sorted array of serials. */
#ifndef MYKEY_JPKI_REVOCATION_H
#define MYKEY_JPKI_REVOCATION_H

#include "services/jpki-verify/profile.h"
#include "services/jpki-verify/rsa.h"

/* Why a list is not taken: X(ID, "id", "what it must be"). The id goes to the log. */
#define CRL_FAULT_TABLE(X)                                                             \
    X(FORM, "form", "one CertificateList in strict DER, version 2")                    \
    X(ALGORITHM, "algorithm", "signed with the profile's algorithm")                   \
    X(ISSUER, "issuer", "issued under the name of a pinned root")                      \
    X(KEY_ID, "key_id", "an authority key id that names one of the pinned roots")      \
    X(SIGNATURE, "signature", "signed by that root")                                   \
    X(THIS_UPDATE, "this_update", "issued before now")                                 \
    X(NEXT_UPDATE, "next_update", "nextUpdate is there and still to come")             \
    X(EXTENSION, "extension", "no critical extension: whole lists of one issuer only") \
    X(ENTRY, "entry", "serials of at most 32 bits, no critical entry extension")       \
    X(MEMORY, "memory", "fits into memory")                                            \
    X(OLDER, "older", "not older than another list of the same root")

#define CRL_FAULT_ENUM(id, name, demand) CRL_FAULT_##id,
typedef enum crl_fault { CRL_TAKEN, CRL_FAULT_TABLE(CRL_FAULT_ENUM) CRL_FAULT_COUNT_ } crl_fault;
#undef CRL_FAULT_ENUM

/* "signature"; "taken"; "unknown" for a number out of range. Static. */
const char *crl_fault_name(unsigned fault);

/* The parts of a list that name its issuer, before anything in it is believed. */
typedef struct crl {
    der_t signed_part, issuer, key_id, entries, signature;
    int64_t this_update, next_update; /* seconds since the Unix epoch */
} crl_t;

DER_CHECKED crl_fault crl_read(der_t data, const profile_t *profile, crl_t *ret_crl);

typedef struct revocation revocation_t;

/* Checks signature, times and entries; now_s: seconds since the Unix epoch. The caller frees. */
DER_CHECKED crl_fault revocation_new(const crl_t *crl, rsa_key_t *root_key, const profile_t *profile, int64_t now_s,
                                     revocation_t **ret_revocation);
void revocation_destroy(revocation_t **self_p);

/* Revoked for any reason; hold counts, for it is never lifted. */
bool revocation_has(const revocation_t *self, uint32_t serial);

/* Within thisUpdate (with the profile's allowance) and nextUpdate? */
bool revocation_is_fresh(const revocation_t *self, const profile_t *profile, int64_t now_s);

size_t revocation_count(const revocation_t *self);
int64_t revocation_this_update(const revocation_t *self);
int64_t revocation_next_update(const revocation_t *self);

#endif
