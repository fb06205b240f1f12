/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's HTTP side, behind the edge: libmicrohttpd's connections and requests (request.h), and GET /health for
 * the edge's checks (200; 404 draining: no new requests but those meant for this gateway; 503 not ready). */
#ifndef MYKEY_GATEWAY_SERVER_H
#define MYKEY_GATEWAY_SERVER_H

#include "services/gateway/gateway.h"

/* Listens as gateway.listen says. UNAVAILABLE: it can't. */
mk_code server_new(gateway_t *gateway, server_t **ret_server) MK_CHECKED;

/* The connections of those still waiting are closed: the edge answers UNAVAILABLE. Nothing may call back into their
 * requests any more: destroy the bus peer and the terminal table before. */
void server_destroy(server_t **self_p);

/* Is the bus there? For /health. */
void server_set_ready(server_t *self, bool ready);

/* Accepts no more connections. */
void server_quiesce(server_t *self);

/* Requests that have no answer yet or whose answer is being sent. */
unsigned server_open(const server_t *self);

#endif
