/* SPDX-License-Identifier: Apache-2.0 */
/* When taps arrive. It reads no clock: times are µs since the start of the run, told by the caller. */
#ifndef MYKEY_LOAD_SCHEDULE_H
#define MYKEY_LOAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum schedule_kind {
    SCHEDULE_OPEN,   /* Poisson arrivals, whatever the servers do */
    SCHEDULE_CLOSED, /* a number of taps under way at any time */
    SCHEDULE_WAVES   /* that number at once, then the next as soon as all are done */
} schedule_kind;

typedef struct schedule_spec {
    schedule_kind kind;
    double rate;      /* arrivals a second (open) */
    unsigned at_once; /* closed, waves */
    uint64_t taps;    /* in all; 0: no limit */
    uint64_t run_us;  /* no arrival at or after it; 0: no limit */
    uint64_t seed;
} schedule_spec;

#define SCHEDULE_NEVER UINT64_MAX

typedef struct schedule schedule_t;

/* Aborts when out of memory. */
schedule_t *schedule_new(const schedule_spec *spec);
void schedule_destroy(schedule_t **self_p);

/* Takes one arrival that is due; call until it answers false. under_way: taps that arrived and aren't done.
 * *ret_arrival_us: when it should have begun; for waves and closed loops that is now. */
bool schedule_take(schedule_t *self, uint64_t now_us, uint64_t under_way, uint64_t *ret_arrival_us);

/* When time alone makes an arrival due, or SCHEDULE_NEVER. */
uint64_t schedule_next(const schedule_t *self);

/* No arrival will come any more. */
bool schedule_over(const schedule_t *self, uint64_t now_us);

#endif
