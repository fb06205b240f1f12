/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in: a global rate and number of open requests, a rate per terminal and one tap at a time of each, a rate
 * for enrolment. What is refused is told at once, with a time to come back. */
#ifndef MYKEY_GATEWAY_ADMISSION_H
#define MYKEY_GATEWAY_ADMISSION_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"
#include "services/gateway/bucket.h"

typedef enum admission_class {
    ADMISSION_OPEN,     /* the global limits only */
    ADMISSION_ENROL,    /* and the rate of enrolments of this process */
    ADMISSION_TERMINAL, /* and the terminal's rate */
    ADMISSION_TAP,      /* and one at a time of a terminal */
} admission_class;

/* Why a request was refused: the label of a metric. */
typedef struct admission_refusal {
    const char *reason; /* "rate", "outstanding", "enrol", "terminal_rate", "terminal_tap", "terminals"; static */
    uint32_t retry_after_ms;
} admission_refusal;

typedef struct admission_limits {
    bucket_rate all;
    unsigned outstanding_max;
    bucket_rate enrol;
    bucket_rate terminal;
    size_t terminals_max; /* of whom something is remembered at once */
} admission_limits;

typedef struct admission admission_t;
typedef struct admission_terminal admission_terminal_t;

admission_t *admission_new(const admission_limits *limits);
void admission_destroy(admission_t **self_p);

/* The global limits and, for ADMISSION_ENROL, its rate. OK: call admission_leave once. BUSY: *ret_refusal says why. */
mk_code admission_enter(admission_t *self, admission_class class, uint64_t now_ms,
                        admission_refusal *ret_refusal) MK_CHECKED;
void admission_leave(admission_t *self);
unsigned admission_outstanding(const admission_t *self);

/* The limits of one terminal. OK: call admission_leave_terminal with *ret_terminal once. */
mk_code admission_enter_terminal(admission_t *self, admission_class class, const char *terminal_id, uint64_t now_ms,
                                 admission_terminal_t **ret_terminal, admission_refusal *ret_refusal) MK_CHECKED;
void admission_leave_terminal(admission_terminal_t *terminal, admission_class class);

/* Forgets terminals of whom there is nothing to remember. Call every few seconds. */
void admission_sweep(admission_t *self, uint64_t now_ms);
size_t admission_terminals(const admission_t *self);

#endif
