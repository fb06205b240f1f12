/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that reads a clock. */
#ifndef MYKEY_BASE_CLOCK_H
#define MYKEY_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since the Unix epoch (CLOCK_REALTIME): for times that people and other machines see. */
uint64_t clock_wall_ms(void);

/* The same in microseconds, for log lines. */
uint64_t clock_wall_us(void);

/* Microseconds of a clock that never jumps (CLOCK_MONOTONIC): for deadlines and durations. */
uint64_t clock_mono_us(void);

/* Milliseconds of the same clock. */
uint64_t clock_mono_ms(void);

#endif
