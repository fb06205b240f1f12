/* SPDX-License-Identifier: Apache-2.0 */
/* The broker: one ROUTER for everybody, its ZAP handler, its connection events, and the exchange behind them. */
#ifndef MYKEY_BROKER_BROKER_H
#define MYKEY_BROKER_BROKER_H

#include <czmq.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/code.h"
#include "common/bus/bus_key.h"
#include "common/metrics/metrics.h"

typedef struct broker broker_t;

typedef struct broker_options {
    const char *listen; /* endpoints, separated by spaces */
    const bus_key *key;
    const char *acl_path;
    const char *instance;
    int64_t queue_count, queue_bytes, caller_count, grace_ms, peers_max, io_threads;
    void (*on_drained)(void *arg); /* after broker_drain: nothing is left */
    void *arg;
} broker_options;

/* UNAVAILABLE or BAD_REQUEST with *ret_why (static text) and *ret_what (the setting's name). */
mk_code broker_new(zloop_t *loop, metrics_t *metrics, const broker_options *options, broker_t **ret_broker,
                   const char **ret_what, const char **ret_why) MK_CHECKED;
void broker_destroy(broker_t **self_p);

/* Reads the ACL file again; swaps only a good one. */
mk_code broker_reload(broker_t *self, const char **ret_why) MK_CHECKED;

/* GOAWAY to all, no new calls; on_drained when the last request is answered. */
void broker_drain(broker_t *self);

#endif
