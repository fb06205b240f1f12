/* SPDX-License-Identifier: Apache-2.0 */
/* The ops port: GET /livez, /readyz, /metrics, /version over HTTP, on a unix socket ("unix:/path") or a loopback or
 * private address ("127.0.0.1:9100"). Used by common/daemon; programs with a loop of their own may use it directly. */
#ifndef MYKEY_OPS_OPS_H
#define MYKEY_OPS_OPS_H

#include <czmq.h>

#include "common/base/code.h"
#include "common/metrics/metrics.h"

typedef struct ops ops_t;

/* Answers for /readyz: the JSON text is malloc'ed by the callback, freed by ops. Returns the HTTP status. */
typedef int ops_ready_fn(void *arg, char **ret_json);

typedef struct ops_options {
    const char *listen;  /* "unix:/path" or "host:port" */
    const char *program; /* for /version */
    metrics_t *metrics;
    ops_ready_fn *ready;
    void *arg;
} ops_options;

mk_code ops_new(zloop_t *loop, const ops_options *options, ops_t **ret_ops) MK_CHECKED;
void ops_destroy(ops_t **self_p);

#endif
