/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a tap (docs/tap.md), as the agent lives it: challenge, own statement, signature, redemption. */
#ifndef MYKEY_LOAD_TAP_H
#define MYKEY_LOAD_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/load/answer.h"
#include "tools/load/cards.h"
#include "tools/load/dice.h"
#include "tools/load/line.h"
#include "tools/load/outcome.h"

/* What every terminal displays and signs for. */
typedef struct tap_platform {
    const char *operator_id;
    char environment[17], origin[129]; /* as GET /v1/terminal says */
    dice_t ids;                        /* of requests; never the same in two runs */
} tap_platform;

/* Asks GET /v1/terminal. */
void tap_ask_platform(line_t *line);

/* Reads its answer. */
outcome_t tap_read_platform(tap_platform *platform, const answer_t *answer);

typedef enum tap_step { TAP_IDLE, TAP_CHALLENGE, TAP_TO_SIGN, TAP_SIGNED, TAP_REDEEM } tap_step;

/* µs; each is set when its step is done. */
typedef struct tap_times {
    uint64_t arrival;   /* when it should have begun */
    uint64_t challenge; /* from request to answer */
    uint64_t sign;      /* from the challenge to the signature, waiting for other signatures included */
    uint64_t redeem;    /* from request to answer */
    uint64_t whole;     /* from arrival to the last answer */
} tap_times;

typedef struct tap tap_t;

/* One at a time on a line; the line, the terminal and the platform outlive it. */
tap_t *tap_new(line_t *line, const terminal_t *terminal, tap_platform *platform);
void tap_destroy(tap_t **self_p);

tap_step tap_get_step(const tap_t *self);
const tap_times *tap_get_times(const tap_t *self);

/* Sends the challenge's request: TAP_CHALLENGE. */
void tap_begin(tap_t *self, card_t *card, uint64_t arrival_us);

/* Takes the line's answer: then TAP_TO_SIGN, or TAP_IDLE when the tap has ended. */
outcome_t tap_take_answer(tap_t *self, const answer_t *answer);

/* TAP_TO_SIGN to TAP_SIGNED. */
outcome_t tap_sign(tap_t *self);

/* Sends the redemption: TAP_REDEEM. */
void tap_redeem(tap_t *self);

/* Back to TAP_IDLE, whatever was under way. */
void tap_drop(tap_t *self);

#endif
