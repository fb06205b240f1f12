/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/serials.h"

enum { WORD = 64, START_EVERY = 256 };

/* ---- the layout follows from the count ---- */

static unsigned low_bits_of(uint64_t count)
{
    unsigned bits = 0;
    while (bits < 31 && ((uint64_t)count << (bits + 1)) <= (uint64_t)1 << 32) bits++;
    return bits;
}

static uint64_t buckets_of(uint64_t count)
{
    return ((uint64_t)1 << 32) >> low_bits_of(count);
}

/* Octets, a multiple of eight. */
static size_t starts_size(uint64_t count)
{
    uint64_t starts = (buckets_of(count) + START_EVERY - 1) / START_EVERY;
    return (size_t)((starts + 1) / 2 * 2 * sizeof(uint32_t));
}

static size_t words_size(uint64_t bits)
{
    return (size_t)((bits + WORD - 1) / WORD * sizeof(uint64_t));
}

static size_t bitmap_size(uint64_t count)
{
    return words_size(count + buckets_of(count));
}

size_t serials_size(uint64_t count)
{
    return sizeof(uint64_t) + starts_size(count) + bitmap_size(count) + words_size(count * low_bits_of(count));
}

/* ---- reading ---- */

bool serials_open(serials_t *self, const void *data, size_t size)
{
    const uint8_t *at = data;
    if (size < sizeof self->count || (uintptr_t)data % sizeof(uint64_t) != 0) return false;
    uint64_t count = *(const uint64_t *)data;
    if (count > SERIALS_COUNT_MAX || size != serials_size(count)) return false;
    at += sizeof count;
    *self = (serials_t){.count = count,
                        .starts = (const uint32_t *)(const void *)at,
                        .bitmap = (const uint64_t *)(const void *)(at + starts_size(count)),
                        .lows = (const uint64_t *)(const void *)(at + starts_size(count) + bitmap_size(count)),
                        .low_bits = low_bits_of(count),
                        .bitmap_bits = count + buckets_of(count)};
    return true;
}

/* The place of the zero that ends the skip-th bucket from the bucket on that begins at `from`; bitmap_bits where there
 * are not so many. */
static uint64_t skip_buckets(const serials_t *self, uint64_t from, unsigned skip)
{
    uint64_t word = from / WORD, words = (self->bitmap_bits + WORD - 1) / WORD;
    if (word >= words) return self->bitmap_bits;
    uint64_t zeros = ~self->bitmap[word] & ~(uint64_t)0 << from % WORD;
    for (;;) {
        unsigned here = (unsigned)__builtin_popcountll(zeros);
        if (here >= skip) break;
        skip -= here;
        if (++word == words) return self->bitmap_bits;
        zeros = ~self->bitmap[word];
    }
    for (; skip > 1; skip--) zeros &= zeros - 1;
    return word * WORD + (unsigned)__builtin_ctzll(zeros);
}

static uint32_t low_at(const serials_t *self, uint64_t index)
{
    uint64_t bit = index * self->low_bits, shift = bit % WORD;
    if (self->low_bits == 0) return 0;
    uint64_t value = self->lows[bit / WORD] >> shift;
    if (shift + self->low_bits > WORD) value |= self->lows[bit / WORD + 1] << (WORD - shift);
    return (uint32_t)(value & (((uint64_t)1 << self->low_bits) - 1));
}

bool serials_has(const serials_t *self, uint32_t serial)
{
    uint64_t bucket = (uint64_t)serial >> self->low_bits;
    uint32_t low = (uint32_t)(serial & (((uint64_t)1 << self->low_bits) - 1));
    uint64_t place = self->starts[bucket / START_EVERY];
    unsigned skip = (unsigned)(bucket % START_EVERY);
    if (skip > 0) place = skip_buckets(self, place, skip) + 1;
    uint64_t first = place - bucket, end = skip_buckets(self, place, 1) - bucket;
    if (first > end || end > self->count) return false;
    while (first < end) {
        uint64_t middle = first + (end - first) / 2;
        uint32_t found = low_at(self, middle);
        if (found == low) return true;
        if (found < low) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return false;
}

/* ---- building ---- */

void serials_build(serials_builder *self, void *data, uint64_t count)
{
    uint8_t *at = data;
    *(uint64_t *)data = count;
    at += sizeof count;
    *self = (serials_builder){.starts = (uint32_t *)(void *)at,
                              .bitmap = (uint64_t *)(void *)(at + starts_size(count)),
                              .lows = (uint64_t *)(void *)(at + starts_size(count) + bitmap_size(count)),
                              .low_bits = low_bits_of(count),
                              .count = count};
}

/* Ends buckets until this one begins. */
static void go_to(serials_builder *self, uint64_t bucket)
{
    while (self->bucket < bucket) {
        self->bucket++;
        if (self->bucket % START_EVERY == 0)
            self->starts[self->bucket / START_EVERY] = (uint32_t)(self->put + self->bucket);
    }
}

void serials_put(serials_builder *self, uint32_t serial)
{
    go_to(self, (uint64_t)serial >> self->low_bits);
    uint64_t place = self->put + self->bucket;
    self->bitmap[place / WORD] |= (uint64_t)1 << place % WORD;
    uint64_t low = serial & (((uint64_t)1 << self->low_bits) - 1), bit = self->put * self->low_bits;
    self->put++;
    if (self->low_bits == 0) return;
    self->lows[bit / WORD] |= low << bit % WORD;
    if (bit % WORD + self->low_bits > WORD) self->lows[bit / WORD + 1] |= low >> (WORD - bit % WORD);
}

void serials_done(serials_builder *self)
{
    go_to(self, buckets_of(self->count) - 1);
}
