/* SPDX-License-Identifier: Apache-2.0 */
/* The body of POST /v1/actions: JSON from the page, taken apart by a table. */
#ifndef MYKEY_AGENT_ACTION_H
#define MYKEY_AGENT_ACTION_H

#include <jansson.h>
#include <stddef.h>

#include "agent/counter.h"

enum { ACTION_BODY_MAX = 4096 };

/* Makes jansson wipe what it frees: actions and snapshots hold digits and numbers. Once, at start. */
void action_setup(void);

/* ret_action points into *ret_body, which the caller decrefs after use. BAD_REQUEST: not one flat object of the known
 * members, each of its type and size; duplicates. UNKNOWN_METHOD is found later, by counter_act. */
problem_t action_parse(const char *data, size_t size, counter_action *ret_action, json_t **ret_body);

#endif
