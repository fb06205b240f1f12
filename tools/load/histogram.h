/* SPDX-License-Identifier: Apache-2.0 */
/* Durations in µs: exact below 128 µs, above that in steps of at most 1/64 of the value. */
#ifndef MYKEY_LOAD_HISTOGRAM_H
#define MYKEY_LOAD_HISTOGRAM_H

#include <stdint.h>

typedef struct histogram histogram_t;

/* Aborts when out of memory. */
histogram_t *histogram_new(void);
void histogram_destroy(histogram_t **self_p);

void histogram_add(histogram_t *self, uint64_t us);
uint64_t histogram_count(const histogram_t *self);
uint64_t histogram_max(const histogram_t *self);

/* The smallest step's upper end that holds at least this share (0 to 1) of what was added; never above the largest.
 * 0 when empty. */
uint64_t histogram_percentile(const histogram_t *self, double share);

#endif
