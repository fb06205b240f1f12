/* SPDX-License-Identifier: Apache-2.0 */
/* What a run saw, as one JSON object. */
#ifndef MYKEY_LOAD_REPORT_H
#define MYKEY_LOAD_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/load/outcome.h"
#include "tools/load/tap.h"

typedef struct report report_t;

/* Aborts when out of memory. */
report_t *report_new(void);
void report_destroy(report_t **self_p);

/* The run begins: everything counts from here. */
void report_begin(report_t *self);

/* A tap has ended; times count for OUTCOME_OK only and may be NULL for others. */
void report_add_tap(report_t *self, outcome_t outcome, const tap_times *times);

/* A signature is being made between the two. */
void report_before_sign(report_t *self);
void report_after_sign(report_t *self);

/* A connection was made again within this time. */
void report_add_connection(report_t *self, uint64_t us);

/* A connection was ended by the edge while idle, could not be made, or is of a terminal that is refused. */
void report_add_drop(report_t *self);

/* Ends the run and prints it. False if the text could not be written. */
bool report_print(report_t *self, FILE *out);

/* Every tap ended well. */
bool report_is_clean(const report_t *self);

#endif
