/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's parts, put together. */
#ifndef MYKEY_AGENT_AGENT_H
#define MYKEY_AGENT_AGENT_H

#include "agent/problem.h"
#include "common/daemon/daemon.h"

typedef struct agent agent_t;

typedef enum agent_mode {
    AGENT_COUNTER, /* serve the counter */
    AGENT_ENROL,   /* get a certificate (invite from agent.invite_file or standard input), then end */
} agent_mode;

/* Takes everything from `settings`. Any problem is logged. */
problem_t agent_new(daemon_t *daemon, agent_mode mode, agent_t **ret_agent);
void agent_destroy(agent_t **self_p);

#endif
