/* SPDX-License-Identifier: Apache-2.0 */
/* A set of 32-bit serials in one piece of memory that a file can hold: Elias–Fano form, about 2 + log2(2^32 / count)
 * bits for each (Elias 1974, Fano 1971), read where it lies.
 *
 *   u64 count · u32 starts of every 256th bucket · u64 words of the bitmap · u64 words of the low bits; host byte order
 *
 * A serial's high bits name its bucket, of which there are about as many as serials. The bitmap has a one for each
 * serial and a zero at the end of each bucket; the low bits lie side by side in the serials' order. */
#ifndef MYKEY_JPKI_SERIALS_H
#define MYKEY_JPKI_SERIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIALS_COUNT_MAX ((uint64_t)1 << 30)

typedef struct serials {
    uint64_t count;
    const uint32_t *starts;
    const uint64_t *bitmap, *lows;
    unsigned low_bits;
    uint64_t bitmap_bits;
} serials_t;

/* How many octets a set of so many takes: a multiple of eight. count: at most SERIALS_COUNT_MAX. */
size_t serials_size(uint64_t count);

/* A set in memory that outlives it, aligned to eight octets. false: size is not that of its count. Contents that no
 * builder wrote give wrong answers, never a read outside. */
bool serials_open(serials_t *self, const void *data, size_t size) __attribute__((warn_unused_result));

bool serials_has(const serials_t *self, uint32_t serial);

/* ---- building ---- */

typedef struct serials_builder {
    uint32_t *starts;
    uint64_t *bitmap, *lows;
    unsigned low_bits;
    uint64_t count, put, bucket;
} serials_builder;

/* data: serials_size(count) octets of zero, aligned to eight. */
void serials_build(serials_builder *self, void *data, uint64_t count);

/* Exactly count of them, each above the one before. */
void serials_put(serials_builder *self, uint32_t serial);

/* After the last one. */
void serials_done(serials_builder *self);

#endif
