/* SPDX-License-Identifier: Apache-2.0 */
/* How an operator's numbers look and how they leave the terminal: the operator's settings with every default filled in
 * and every range enforced. */
#ifndef MYKEY_AGENT_RULES_H
#define MYKEY_AGENT_RULES_H

#include <stdbool.h>

#include "agent/problem.h"
#include "proto/registry.pb-c.h"

enum { NUMBER_MAX = 64 };

typedef struct output_rules {
    Mykey__Registry__Symbology symbology; /* NW7 or CODE39 */
    char start, stop;                     /* A … D; NW-7 only */
    Mykey__Registry__CheckDigit check;    /* NONE, MOD16 or 7DR */
    bool keyboard;                        /* keyboard entry is offered */
    Mykey__Registry__KeySuffix suffix;    /* NONE, ENTER or TAB */
    bool key_start_stop;
    unsigned key_delay_ms;  /* 0 … 50 */
    unsigned clear_after_s; /* 5 … 600 */
    unsigned min_length, max_length;
    bool digits_only;
} output_rules;

/* op may be NULL (nothing known yet): the defaults. */
output_rules rules_of(const Mykey__Registry__Operator *op);

/* The characters that the symbology can carry, without start and stop. Static. */
const char *rules_alphabet(const output_rules *rules);

/* Normalises what was typed or scanned (full-width forms; NW-7 start and stop letters that a scanner passed on) and
 * checks it against the rule. NUMBER_INVALID; out untouched then. */
problem_t rules_read_number(const output_rules *rules, const char *text, char out[NUMBER_MAX + 1]);

#endif
