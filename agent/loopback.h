/* SPDX-License-Identifier: Apache-2.0 */
/* The counter page over HTTP on 127.0.0.1 (docs/counter-page.md): files, the stream of snapshots, actions. Only a page
 * of our own origin that has the launch token gets past the files. */
#ifndef MYKEY_AGENT_LOOPBACK_H
#define MYKEY_AGENT_LOOPBACK_H

#include <czmq.h>

#include "agent/counter.h"
#include "common/metrics/metrics.h"

typedef struct loopback loopback_t;

typedef struct loopback_options {
    const char *listen;      /* "127.0.0.1:0" */
    const char *page_dir;    /* "" = the files that are compiled in */
    const char *launch_path; /* written with address and token (0600), removed at the end */
    metric_t *refusals;      /* requests that the guards turned away, by status */
} loopback_options;

/* BAD_REQUEST: not a 127.0.0.1 address; UNAVAILABLE: the port is taken or the launch file can't be written. */
mk_code loopback_new(zloop_t *loop, const loopback_options *options, counter_t *counter,
                     loopback_t **ret_loopback) MK_CHECKED;
void loopback_destroy(loopback_t **self_p);

/* Sends the counter's present snapshot to every page. */
void loopback_changed(loopback_t *self);

/* For tests: may a request with this header pass, when the page lives at `authority` ("127.0.0.1:8080")? */
bool loopback_header_allowed(const char *authority, const char *name, const char *value);

#endif
