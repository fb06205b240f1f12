/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd in a zloop: one epoll descriptor, re-armed from MHD_get_timeout after every MHD_run. Shared by the ops
 * port, the gateway and the agent's loopback page. */
#ifndef MYKEY_OPS_HTTP_LOOP_H
#define MYKEY_OPS_HTTP_LOOP_H

#include <czmq.h>
#include <microhttpd.h>
#include <stdbool.h>

#include "common/base/code.h"

typedef struct http_loop http_loop_t;

typedef struct http_loop_options {
    const char *listen; /* "unix:/path" (mode 0660) or "host:port"; port 0 = any free */
    MHD_AccessHandlerCallback handler;
    MHD_RequestCompletedCallback completed;
    void *arg;
    unsigned connection_limit; /* 0 = 1000 */
    unsigned timeout_s;        /* idle connections; 0 = 30 */
} http_loop_options;

/* BAD_REQUEST: listen is malformed (host must be numeric); UNAVAILABLE: can't be bound, errno says why. */
mk_code http_loop_new(zloop_t *loop, const http_loop_options *options, http_loop_t **ret_http) MK_CHECKED;

/* Is this a form of `listen` that nobody outside this machine can reach: a unix socket, a numeric loopback address? */
bool http_loop_is_local(const char *listen);

/* Every suspended connection must have been resumed before (libmicrohttpd aborts otherwise). */
void http_loop_destroy(http_loop_t **self_p);

/* The bound TCP port, 0 for a unix socket. */
unsigned http_loop_port(const http_loop_t *self);

/* Call after MHD_resume_connection, so that the answer goes out at once. */
void http_loop_kick(http_loop_t *self);

/* Stops accepting (drain); connections that are open go on. */
void http_loop_quiesce(http_loop_t *self);

#endif
