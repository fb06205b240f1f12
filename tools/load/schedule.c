/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/schedule.h"

#include <stdlib.h>

#include "tools/load/dice.h"

struct schedule {
    schedule_spec spec;
    dice_t dice;
    uint64_t taken;
    double next_us;     /* open: the next arrival */
    unsigned wave_left; /* waves: of the present one */
};

static void draw_next(schedule_t *self)
{
    self->next_us += dice_exponential(&self->dice, 1e6 / self->spec.rate);
}

schedule_t *schedule_new(const schedule_spec *spec)
{
    schedule_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    self->spec = *spec;
    self->dice.state = spec->seed;
    if (spec->kind == SCHEDULE_OPEN) draw_next(self);
    return self;
}

void schedule_destroy(schedule_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

bool schedule_over(const schedule_t *self, uint64_t now_us)
{
    const schedule_spec *spec = &self->spec;
    uint64_t when = spec->kind == SCHEDULE_OPEN ? (uint64_t)self->next_us : now_us;
    return (spec->taps > 0 && self->taken >= spec->taps) || (spec->run_us > 0 && when >= spec->run_us);
}

uint64_t schedule_next(const schedule_t *self)
{
    if (self->spec.kind != SCHEDULE_OPEN || schedule_over(self, 0)) return SCHEDULE_NEVER;
    return (uint64_t)self->next_us;
}

static bool is_due(schedule_t *self, uint64_t now_us, uint64_t under_way)
{
    switch (self->spec.kind) {
    case SCHEDULE_OPEN: return (uint64_t)self->next_us <= now_us;
    case SCHEDULE_CLOSED: return under_way < self->spec.at_once;
    case SCHEDULE_WAVES: break;
    }
    if (under_way == 0) self->wave_left = self->spec.at_once;
    return self->wave_left > 0;
}

bool schedule_take(schedule_t *self, uint64_t now_us, uint64_t under_way, uint64_t *ret_arrival_us)
{
    if (schedule_over(self, now_us) || !is_due(self, now_us, under_way)) return false;
    *ret_arrival_us = self->spec.kind == SCHEDULE_OPEN ? (uint64_t)self->next_us : now_us;
    self->taken++;
    if (self->spec.kind == SCHEDULE_OPEN) draw_next(self);
    if (self->spec.kind == SCHEDULE_WAVES) self->wave_left--;
    return true;
}
