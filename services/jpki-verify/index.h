/* SPDX-License-Identifier: Apache-2.0 */
/* The index of revoked certificates: a file that is mapped and read where it lies. The loader writes it from checked
 * revocation lists; a verifier reads this file and never a list.
 *
 *   header · parts in ascending order of their keys · for each part its sets (serials.h); host byte order
 *
 * A part is what one list says: of one issuer's key, for one distribution point or for all that it has issued. */
#ifndef MYKEY_JPKI_INDEX_H
#define MYKEY_JPKI_INDEX_H

#include "services/jpki-verify/serials.h"

enum { INDEX_HASH_SIZE = 32, INDEX_NUMBER_SIZE = 20, INDEX_PARTS_MAX = 8192 };

typedef struct index_key {
    uint8_t issuer_key[INDEX_HASH_SIZE]; /* SHA-256 of the bits of its SubjectPublicKeyInfo */
    uint8_t point[INDEX_HASH_SIZE];      /* SHA-256 of the distribution point's GeneralName; zeros: a whole list */
} index_key;

/* As it lies in the file. Held are those whose reason is certificateHold: it counts as revoked, for it is never lifted.
 */
typedef struct index_part {
    index_key key;
    int64_t this_update, next_update;  /* seconds since the Unix epoch */
    uint8_t number[INDEX_NUMBER_SIZE]; /* the list's CRL number, big-endian */
    uint32_t unused;
    uint64_t revoked_at, revoked_size, held_at, held_size; /* where its sets lie in the file */
} index_part;

typedef struct index_header {
    char magic[8];
    uint64_t size; /* of the file */
    uint64_t part_count;
    uint8_t sha256[INDEX_HASH_SIZE]; /* of all that follows the header */
} index_header;

typedef struct index_view {
    const uint8_t *data;
    size_t size, part_count;
    const index_part *parts;
} index_view;

/* Checks form, order and digest. data (aligned to eight octets) must outlive the view. false: it is none. */
bool index_open(index_view *self, const void *data, size_t size) __attribute__((warn_unused_result));

/* NULL: no such part. */
const index_part *index_find(const index_view *self, const index_key *key);

/* Revoked or held? part: one of self's. */
bool index_has(const index_view *self, const index_part *part, uint32_t serial);

/* How many serials a part has. */
uint64_t index_count(const index_view *self, const index_part *part);

/* ---- writing ---- */

/* Octets of an index of one part with so many serials. */
size_t index_one_size(uint64_t revoked, uint64_t held);

/* Lays such an index out in zeroed memory; part gives its key, times and number. The sets are then filled by
 * serials_put and serials_done, and index_seal ends it. */
void index_one_begin(void *data, const index_part *part, uint64_t revoked, uint64_t held, serials_builder *ret_revoked,
                     serials_builder *ret_held);

/* Octets of the union of indexes. */
size_t index_union_size(const index_view *const *from, size_t count);

/* The union, in zeroed memory; sealed. false: two have a part of the same key. */
bool index_union(void *data, const index_view *const *from, size_t count) __attribute__((warn_unused_result));

/* Writes the digest. */
void index_seal(void *data);

#endif
