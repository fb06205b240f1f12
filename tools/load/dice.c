/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/dice.h"

#include <math.h>

uint64_t dice_next(dice_t *self)
{
    uint64_t z = self->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t dice_below(dice_t *self, uint32_t bound)
{
    return (uint32_t)((dice_next(self) >> 32) * bound >> 32);
}

double dice_exponential(dice_t *self, double mean)
{
    double uniform = ((double)(dice_next(self) >> 11) + 0.5) / 9007199254740992.0; /* above 0, below 1 */
    return -log(uniform) * mean;
}
