/* SPDX-License-Identifier: Apache-2.0 */
/* The counter: one state machine from "set the card" to the number on the screen (docs/counter-page.md has the states
 * and actions). It touches nothing itself: what it wants done goes through its ports, what happened comes in as events.
 */
#ifndef MYKEY_AGENT_COUNTER_H
#define MYKEY_AGENT_COUNTER_H

#include <jansson.h>

#include "agent/card/wire.h"
#include "agent/pin.h"
#include "agent/profile.h"
#include "agent/rules.h"
#include "agent/terminal.h"
#include "agent/uplink.h"

typedef struct counter counter_t;

typedef enum counter_timer {
    COUNTER_IDLE, /* leaves the present state when nothing more happens */
    COUNTER_TICK, /* one second of the countdown */
    COUNTER_TIMER_COUNT,
} counter_timer;

typedef struct counter_ports {
    void *arg;
    void (*order_card)(void *arg, card_verb verb, const uint8_t *data, size_t size);
    /* One call at a time; its answer comes to counter_on_answer. False: it can't be sent. */
    bool (*send)(void *arg, const char *path, const ProtobufCMessage *message, const char *gateway,
                 unsigned timeout_ms);
    void (*cancel)(void *arg);
    void (*set_timer)(void *arg, counter_timer timer, unsigned ms); /* 0 = stop */
    problem_t (*plug_keyboard)(void *arg);
    problem_t (*type)(void *arg, const output_rules *rules, const char *number); /* then counter_on_typed */
    void (*unplug_keyboard)(void *arg);
    void (*refresh)(void *arg); /* look again at the operator's settings */
    void (*changed)(void *arg); /* a new snapshot is there */
} counter_ports;

typedef struct counter_options {
    const char *environment, *origin;
    const profile_identity *identity; /* must outlive the counter */
    unsigned pin_timeout_s;
    bool clear_on_removal; /* taking the card out clears the number */
} counter_options;

counter_t *counter_new(const counter_options *options, const counter_ports *ports, pin_t *pin);
void counter_destroy(counter_t **self_p); /* wipes */

/* What a press on the page carries; text may be NULL where the action has none. */
typedef struct counter_action {
    const char *name;
    const char *purpose, *number, *reason, *code;
    char digit;
    unsigned index;
} counter_action;

/* MK_OK or why not: UNKNOWN_METHOD (no such action), CONFLICT (not in this state), NUMBER_INVALID … */
problem_t counter_act(counter_t *self, const counter_action *action);

void counter_on_card(counter_t *self, const card_report *report);
void counter_on_answer(counter_t *self, const uplink_answer *answer);
void counter_on_timer(counter_t *self, counter_timer timer);
void counter_on_typed(counter_t *self, bool ok);
/* info may be NULL; valid until the next call. */
void counter_on_terminal(counter_t *self, const terminal_health *health, const Mykey__Terminal__TerminalInfo *info);

/* The present snapshot; the caller decrefs. NULL when out of memory. */
json_t *counter_snapshot(const counter_t *self);

/* Name of the state ("wait"); static. Is something under way that no person can stop any more? (drain, renewal) */
const char *counter_state_name(const counter_t *self);
bool counter_is_busy(const counter_t *self);

#endif
