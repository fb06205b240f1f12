/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker's own files share. */
#ifndef MYKEY_BROKER_BROKER_OWN_H
#define MYKEY_BROKER_BROKER_OWN_H

#include "common/bus/bus_heap.h"
#include "common/bus/bus_poll.h"
#include "services/broker/acl.h"
#include "services/broker/broker.h"
#include "services/broker/exchange.h"
#include "services/broker/peer.h"
#include "services/broker/zap.h"

typedef struct broker_metrics {
    metric_t *requests, *queue_time, *service_time, *dropped, *denied, *handshakes, *loop_lag;
    metric_t *depth, *bytes, *oldest, *inflight, *workers, *credits, *peers;
    metric_t *redispatch, *expired, *busy, *late, *quarantined;
} broker_metrics;

struct broker {
    zloop_t *loop;
    broker_options options;
    void *context, *router, *watch;
    bus_poll router_poll, watch_poll, zap_poll;
    zap_t zap;
    peers_t peers;
    acl_names_t *names;
    acl_t *acl;
    exchange_t *exchange;
    bus_alarm expiry, flush, sweep;
    broker_metrics metrics;
    uint64_t started_us, tick_due_us;
    int tick_timer;
    bool draining;
    uint64_t drained_after_us;
};

/* commands.c: what one command does */
void broker_take(broker_t *self, peer_t *peer, zmq_msg_t *msg);
void broker_bury(broker_t *self, peer_t *peer);
void broker_answer(void *ctx, request_t *request, const exchange_answer *answer);
bus_sent broker_dispatch(void *ctx, worker_t *worker, request_t *request, uint64_t tag);
void broker_cancel(void *ctx, worker_t *worker, request_t *request, uint64_t tag);
void broker_worker_dropped(void *ctx, worker_t *worker);
void broker_send(broker_t *self, peer_t *peer, bus_command command, const bus_header *header);
void broker_drop(broker_t *self, const char *reason);

/* introspect.c: the service "bus" */
void introspect_serve(broker_t *self, request_t *request);

/* broker_metrics.c */
void broker_metrics_declare(broker_t *self, metrics_t *metrics);
void broker_count_answer(broker_t *self, const request_t *request, const exchange_answer *answer);

#endif
