/* SPDX-License-Identifier: Apache-2.0 */
/* What the platform says about this terminal: polled at start, every minute, after each error with back-off. Holds the
 * operator's settings and terms, and whether network, clock and key are good. */
#ifndef MYKEY_AGENT_TERMINAL_H
#define MYKEY_AGENT_TERMINAL_H

#include <czmq.h>

#include "agent/profile.h"
#include "agent/uplink.h"
#include "proto/terminal.pb-c.h"

typedef struct terminal terminal_t;

typedef struct terminal_options {
    uplink_t *uplink;
    const char *environment, *origin; /* ours; the platform must say the same */
    const char *identity_path;
    const profile_identity *identity; /* must outlive the terminal; may change when renewed */
} terminal_options;

typedef struct terminal_health {
    problem_t network; /* CHECKING, MK_OK, NETWORK_DOWN or what the platform answered */
    problem_t clock;   /* CHECKING, MK_OK, CLOCK_WRONG */
    problem_t key;     /* CHECKING, MK_OK, TERMINAL_REVOKED, TERMINAL_UNKNOWN, ROLE_MISMATCH */
    unsigned wait_s;   /* until the next look, while something is wrong */
} terminal_health;

typedef void terminal_changed_fn(void *arg);
terminal_t *terminal_new(zloop_t *loop, const terminal_options *options, terminal_changed_fn *fn, void *arg);
void terminal_destroy(terminal_t **self_p);

/* Looks now. */
void terminal_refresh(terminal_t *self);

/* What another call's answer tells about network, clock and key. */
void terminal_note(terminal_t *self, const uplink_answer *answer);

terminal_health terminal_state(const terminal_t *self);

/* NULL before the first good answer; valid until the next change. */
const Mykey__Terminal__TerminalInfo *terminal_info(const terminal_t *self);

#endif
