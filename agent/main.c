/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-agent: the counter terminal. "mykey-agent --enrol …" gets a certificate and ends; "mykey-agent --card-child …"
 * is what the agent starts itself as to speak to the card reader. */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/card/child.h"
#include "agent/settings.h"

/* Takes the flag out of argv. */
static agent_mode take_mode(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--enrol") != 0) continue;
        for (int j = i; j < *argc; j++) argv[j] = argv[j + 1];
        (*argc)--;
        return AGENT_ENROL;
    }
    return AGENT_COUNTER;
}

static int run(daemon_t *daemon, agent_mode mode)
{
    agent_t *agent = NULL;
    const char *fault = settings_fault();
    if (fault) {
        (void)fprintf(stderr, "mykey-agent: %s: not a value that can be used\n", fault);
        return 2;
    }
    if (agent_new(daemon, mode, &agent) != MK_OK) return 1;
    int status = daemon_run(daemon);
    agent_destroy(&agent);
    return status;
}

int main(int argc, char **argv)
{
    int status = 0;
    if (argc == 3 && strcmp(argv[1], CARD_CHILD_FLAG) == 0) return card_child_run(argv[2]);
    agent_mode mode = take_mode(&argc, argv);
    daemon_spec spec = {.program = "mykey-agent", .service = "agent", .tables = &settings_table, .table_count = 1};
    daemon_t *daemon = daemon_new(&spec, argc, argv, &status);
    if (!daemon) return status;
    status = run(daemon, mode);
    daemon_destroy(&daemon);
    return status;
}
