/* SPDX-License-Identifier: Apache-2.0 */
/* Repeatable randomness (splitmix64): for choices of the load, never for secrets. */
#ifndef MYKEY_LOAD_DICE_H
#define MYKEY_LOAD_DICE_H

#include <stdint.h>

typedef struct dice {
    uint64_t state;
} dice_t;

/* 64 uniform bits. */
uint64_t dice_next(dice_t *self);

/* Uniform in 0..bound-1, bound >= 1; the bias is below bound / 2^32. */
uint32_t dice_below(dice_t *self, uint32_t bound);

/* Exponentially distributed with this mean. */
double dice_exponential(dice_t *self, double mean);

#endif
