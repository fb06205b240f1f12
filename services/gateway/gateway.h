/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a running gateway share: one per process. */
#ifndef MYKEY_GATEWAY_GATEWAY_H
#define MYKEY_GATEWAY_GATEWAY_H

#include <stdbool.h>

#include "common/bus/bus.h"
#include "common/daemon/daemon.h"
#include "services/gateway/admission.h"
#include "services/gateway/challenge.h"
#include "services/gateway/secret.h"
#include "services/gateway/settings.h"
#include "services/gateway/stats.h"
#include "services/gateway/terminal.h"

typedef struct server server_t;

typedef struct gateway {
    const gateway_settings *settings;
    daemon_t *daemon;
    const char *id;
    char *platform_terms_ja, *platform_terms_en;
    edge_secret_t *secret;
    bus_peer_t *bus;
    admission_t *admission;
    terminal_table_t *terminals;
    challenge_store_t *challenges;
    stats_t stats;
    server_t *server;
    bool draining; /* no new challenges */
    uint64_t drain_began_ms;
} gateway_t;

/* Settings are loaded. On failure *ret_what names the setting or part, *ret_why (may be "") says more. */
mk_code gateway_new(daemon_t *daemon, gateway_t **ret_gateway, const char **ret_what, const char **ret_why) MK_CHECKED;
void gateway_destroy(gateway_t **self_p);

#endif
