/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/histogram.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS_LOG2 = 6, STEPS = 1 << STEPS_LOG2, TOP_BIT = 40, BUCKETS = (TOP_BIT - STEPS_LOG2 + 2) * STEPS };

struct histogram {
    uint64_t counts[BUCKETS];
    uint64_t count, max;
};

histogram_t *histogram_new(void)
{
    histogram_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    return self;
}

void histogram_destroy(histogram_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

/* Each doubling above 2 * STEPS has STEPS buckets. */
static unsigned bucket_of(uint64_t us)
{
    unsigned shift = us < STEPS ? 0 : 63 - (unsigned)__builtin_clzll(us) - STEPS_LOG2;
    uint64_t bucket = (uint64_t)shift * STEPS + (us >> shift);
    return bucket < BUCKETS ? (unsigned)bucket : BUCKETS - 1;
}

static uint64_t upper_end(unsigned bucket)
{
    if (bucket < 2 * STEPS) return bucket;
    unsigned shift = bucket / STEPS - 1;
    return ((uint64_t)(bucket - shift * STEPS + 1) << shift) - 1;
}

void histogram_add(histogram_t *self, uint64_t us)
{
    self->counts[bucket_of(us)]++;
    self->count++;
    if (us > self->max) self->max = us;
}

uint64_t histogram_count(const histogram_t *self)
{
    return self->count;
}

uint64_t histogram_max(const histogram_t *self)
{
    return self->max;
}

uint64_t histogram_percentile(const histogram_t *self, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)self->count), seen = 0;
    if (wanted == 0) wanted = 1;
    for (unsigned i = 0; i < BUCKETS - 1; i++) {
        seen += self->counts[i];
        if (seen >= wanted) return upper_end(i) < self->max ? upper_end(i) : self->max;
    }
    return self->max;
}
