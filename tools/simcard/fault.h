/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile, broken or badly treated card does: one table of named faults, at most one active at a time. */
#ifndef MYKEY_SIMCARD_FAULT_H
#define MYKEY_SIMCARD_FAULT_H

#include "tools/simcard/applet.h"

typedef enum fault_then { FAULT_STAY, FAULT_REMOVE, FAULT_SWAP } fault_then;

/* What becomes of one command. */
typedef struct fault_plan {
    bool execute;        /* the card runs it */
    bool answer;         /* and the reader gets to hear */
    fault_then then;     /* and then the card stays, goes, or gives way to another */
    uint32_t delay_ms;   /* before the answer */
    const char *swap_to; /* a card's name, when swapped; valid until the next fault_set */
} fault_plan;

typedef struct fault fault_t;

fault_t *fault_new(const char *cards_dir);
void fault_destroy(fault_t **self_p);

/* Arms "NAME [ARGUMENTS]" ("none" disarms) and begins to count commands. On failure nothing changes and why
 * (CARD_WHY_MAX bytes) says what is wrong. */
mk_code fault_set(fault_t *self, const char *text, char *why) MK_CHECKED;

/* As it was armed, "none" else. Removals and swaps disarm themselves. */
const char *fault_text(const fault_t *self);

/* The table for people: the row of that index as "NAME ARGUMENTS - help" in out; false after the last. */
bool fault_describe(size_t index, char *out, size_t cap);

/* For each command: fault_before, then the applet if the plan says so, then fault_after on its reply. first: the first
 * command since power on. */
fault_plan fault_before(fault_t *self, const apdu *command, bool first);
void fault_after(fault_t *self, const apdu *command, applet_t *applet, const card_t *card, reply *made);

#endif
