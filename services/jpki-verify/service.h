/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the process put together. */
#ifndef MYKEY_JPKI_SERVICE_H
#define MYKEY_JPKI_SERVICE_H

#include "common/daemon/daemon.h"

typedef struct service service_t;

typedef struct service_settings {
    char *roots, *root_pins, *index, *environment, *credential_keys, *ticket_keys_registry, *parser;
} service_settings;

/* Loads files, starts the parser, joins the bus. What is wrong is logged with the name of its setting. */
mk_code service_new(daemon_t *daemon, const service_settings *settings, service_t **ret_service) MK_CHECKED;
void service_destroy(service_t **self_p);

#endif
