/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets, loop and time; what a message means is in commands.c. */
#include "services/broker/broker.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "services/broker/broker_own.h"

enum {
    BURST = 256,            /* messages read a wake-up, so that timers get their turn */
    TICK_MS = 1000,         /* PING to workers */
    LIVENESS_US = 3000000,  /* three missed */
    FORGET_US = 15000000,   /* a silent connection is no longer kept in mind */
    SWEEP_DELAY_US = 20000, /* after a disconnect: when the router knows of it */
    DRAIN_MIN_US = 300000,  /* calls that crossed the GOAWAY still get their answer */
    DRAIN_POLL_US = 20000,
    WATCHED = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
              ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
};

/* ---- after every wake-up ---- */

/* Connections found gone are buried when no list is being walked; then the timers are set. */
static void settle(broker_t *self)
{
    for (bus_list *node; (node = bus_list_pop(&self->peers.gone));)
        broker_bury(self, BUS_OWNER(node, peer_t, gone_link));
    uint64_t next = exchange_next_expiry(self->exchange);
    if (next) bus_alarm_at(&self->expiry, next);
    if (!bus_list_empty(&self->peers.flush)) bus_alarm_at(&self->flush, clock_mono_us() + 1000);
}

static void on_expiry(void *arg)
{
    broker_t *self = arg;
    exchange_set_time(self->exchange, clock_mono_us());
    exchange_expire(self->exchange);
    settle(self);
}

static void on_flush(void *arg)
{
    broker_t *self = arg;
    (void)peers_flush(&self->peers);
    settle(self);
}

/* ---- reading ---- */

/* The key that the connection's handshake proved. Never from the routing-id frame: libzmq 4.3.4 has no metadata there.
 */
static const char *proven_key(zmq_msg_t *msg)
{
    const char *key = zmq_msg_gets(msg, "User-Id");
    return key && strlen(key) == BUS_KEY_TEXT ? key : NULL;
}

/* The sender, if its key is in the present table: a key that was taken out is refused while it is connected, too. */
static peer_t *sender_of(broker_t *self, zmq_msg_t *id, zmq_msg_t *msg)
{
    const char *key = proven_key(msg);
    bus_slice name = {zmq_msg_data(id), zmq_msg_size(id)};
    peer_t *peer = peers_find(&self->peers, name);
    if (peer && key && !peer->gone && strcmp(peer->key, key) == 0) return peer;
    const acl_entry *entry = key ? acl_find(self->acl, key) : NULL;
    if (!entry) {
        broker_drop(self, key ? "revoked" : "no_key");
        return NULL;
    }
    if (peer) broker_bury(self, peer); /* its connection is gone, another took the id */
    peer = peers_add(&self->peers, name, key);
    if (peer)
        peer->entry = entry;
    else
        broker_drop(self, "peers_full");
    return peer;
}

static void revive_workers(broker_t *self, peer_t *peer)
{
    BUS_LIST_EACH(node, &peer->workers) exchange_revive(self->exchange, BUS_OWNER(node, worker_t, peer_link));
}

static void take(broker_t *self, zmq_msg_t *id, zmq_msg_t *msg)
{
    exchange_set_time(self->exchange, clock_mono_us());
    peer_t *peer = sender_of(self, id, msg);
    if (!peer) return;
    bool silent = self->exchange->now_us - peer->seen_us >= LIVENESS_US;
    peer->seen_us = self->exchange->now_us;
    if (silent) revive_workers(self, peer);
    broker_take(self, peer, msg);
}

static bool receive_one(broker_t *self)
{
    zmq_msg_t id, msg, extra;
    zmq_msg_init(&id);
    zmq_msg_init(&msg);
    bool got = bus_poll_recv(&self->router_poll, &id);
    bool more = got && zmq_msg_more(&id) && zmq_msg_recv(&msg, self->router, ZMQ_DONTWAIT) >= 0;
    bool too_many = more && zmq_msg_more(&msg);
    for (bool left = too_many; left;) {
        zmq_msg_init(&extra);
        left = zmq_msg_recv(&extra, self->router, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&extra);
        zmq_msg_close(&extra);
    }
    if (got && (!more || too_many))
        broker_drop(self, "frames");
    else if (got)
        take(self, &id, &msg);
    zmq_msg_close(&id);
    zmq_msg_close(&msg);
    return got;
}

static void on_router(void *arg)
{
    broker_t *self = arg;
    for (int i = 0; i < BURST && receive_one(self); i++) continue;
    settle(self);
}

static void on_zap(void *arg)
{
    broker_t *self = arg;
    zap_serve(&self->zap);
}

static const char *handshake_reason(int event)
{
    return event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH       ? "auth"
           : event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ? "protocol"
                                                          : "other";
}

static void on_watch(void *arg)
{
    broker_t *self = arg;
    int event;
    uint32_t value;
    for (int i = 0; i < BURST && bus_socket_event(self->watch, &event, &value); i++) {
        if (event == ZMQ_EVENT_DISCONNECTED)
            bus_alarm_at(&self->sweep, clock_mono_us() + SWEEP_DELAY_US);
        else
            metric_add(self->metrics.handshakes, 1, handshake_reason(event), NULL, NULL, NULL);
    }
}

/* ---- liveness ---- */

static void ping(broker_t *self, peer_t *peer)
{
    broker_send(self, peer, BUS_PING, NULL);
}

/* Somebody left: a PING to everybody finds out who, because a mandatory router refuses to send to it. */
static void on_sweep(void *arg)
{
    broker_t *self = arg;
    exchange_set_time(self->exchange, clock_mono_us());
    BUS_LIST_EACH(node, &self->peers.all) ping(self, BUS_OWNER(node, peer_t, link));
    settle(self);
}

static void suspect_workers(broker_t *self, peer_t *peer)
{
    bus_list silent;
    bus_list_init(&silent);
    for (bus_list *node; (node = bus_list_pop(&peer->workers));) bus_list_push(&silent, node);
    for (bus_list *node; (node = bus_list_pop(&silent));) {
        worker_t *worker = BUS_OWNER(node, worker_t, peer_link);
        bus_list_push(&peer->workers, node);
        if (worker->state != WORKER_SUSPECT) {
            log_warn("worker_silent", LOG_TEXT(SERVICE, worker->service->name));
            exchange_suspect(self->exchange, worker);
        }
    }
}

static void check_peer(broker_t *self, peer_t *peer)
{
    uint64_t silent_us = self->exchange->now_us - peer->seen_us;
    if (silent_us >= FORGET_US)
        peers_mark_gone(&self->peers, peer);
    else if (!bus_list_empty(&peer->workers)) {
        ping(self, peer);
        if (silent_us >= LIVENESS_US) suspect_workers(self, peer);
    }
}

static int on_tick(zloop_t *loop, int timer_id, void *arg)
{
    broker_t *self = arg;
    (void)loop;
    (void)timer_id;
    uint64_t now = clock_mono_us();
    exchange_set_time(self->exchange, now);
    double lag = now > self->tick_due_us ? (double)(now - self->tick_due_us) / 1e6 : 0;
    metric_set(self->metrics.loop_lag, lag, NULL, NULL, NULL, NULL);
    self->tick_due_us = now + TICK_MS * 1000;
    BUS_LIST_EACH(node, &self->peers.all) check_peer(self, BUS_OWNER(node, peer_t, link));
    settle(self);
    return 0;
}

/* ---- the table of principals ---- */

static void add_service(const char *service, void *arg)
{
    exchange_add_service(arg, service);
}

static void drop_unlawful_workers(broker_t *self, peer_t *peer)
{
    BUS_LIST_EACH(node, &peer->workers)
    {
        worker_t *worker = BUS_OWNER(node, worker_t, peer_link);
        if (!peer->entry || !acl_may_serve(peer->entry, bus_slice_text(worker->service->name)))
            worker_mark_gone(self->exchange, worker, LOSS_REVOKED);
    }
}

static void use_acl(broker_t *self, acl_t *acl)
{
    acl_destroy(&self->acl);
    self->acl = acl;
    acl_each_service(acl, add_service, self->exchange);
    exchange_set_time(self->exchange, clock_mono_us());
    BUS_LIST_EACH(node, &self->peers.all)
    {
        peer_t *peer = BUS_OWNER(node, peer_t, link);
        peer->entry = acl_find(acl, peer->key);
        drop_unlawful_workers(self, peer);
        if (!peer->entry) peers_mark_gone(&self->peers, peer); /* what it asked for and is not at work is dropped */
    }
    exchange_settle(self->exchange);
}

mk_code broker_reload(broker_t *self, const char **ret_why)
{
    acl_t *acl;
    MK_TRY(acl_load(self->names, self->options.acl_path, &acl, ret_why));
    use_acl(self, acl);
    settle(self);
    return MK_OK;
}

static bool key_known(void *arg, const char *key)
{
    broker_t *self = arg;
    return acl_find(self->acl, key) != NULL;
}

/* ---- drain ---- */

static int on_drain_poll(zloop_t *loop, int timer_id, void *arg)
{
    broker_t *self = arg;
    (void)timer_id;
    bool busy = self->exchange->open || !bus_list_empty(&self->peers.flush);
    if (busy || clock_mono_us() < self->drained_after_us) {
        zloop_timer(loop, DRAIN_POLL_US / 1000, 1, on_drain_poll, self);
        return 0;
    }
    self->options.on_drained(self->options.arg);
    return 0;
}

void broker_drain(broker_t *self)
{
    if (self->draining) return;
    self->draining = true;
    self->drained_after_us = clock_mono_us() + DRAIN_MIN_US;
    exchange_drain(self->exchange);
    BUS_LIST_EACH(node, &self->peers.all) broker_send(self, BUS_OWNER(node, peer_t, link), BUS_GOAWAY, NULL);
    settle(self);
    zloop_timer(self->loop, DRAIN_POLL_US / 1000, 1, on_drain_poll, self);
}

/* ---- making ---- */

static bool bind_all(void *router, const char *list)
{
    char text[1025];
    bus_slice_copy(bus_slice_text(list), text, sizeof text);
    unsigned bound = 0;
    for (char *state, *one = strtok_r(text, " ", &state); one; one = strtok_r(NULL, " ", &state), bound++)
        if (zmq_bind(router, one) != 0) return false;
    return bound > 0;
}

static mk_code open_sockets(broker_t *self, const char **ret_what, const char **ret_why)
{
    *ret_what = "broker.listen";
    self->context = zmq_ctx_new();
    MK_ENSURE(self->context, MK_INTERNAL);
    zmq_ctx_set(self->context, ZMQ_IO_THREADS, (int)self->options.io_threads);
    *ret_why = "the ZAP handler can't be made";
    MK_TRY(zap_open(&self->zap, self->context, key_known, self));
    *ret_why = "the socket can't be made";
    self->router = bus_socket_router(self->context, self->options.key);
    MK_ENSURE(self->router, MK_INTERNAL);
    self->watch = bus_socket_watch(self->context, self->router, WATCHED);
    MK_ENSURE(self->watch, MK_INTERNAL);
    *ret_why = "can't be bound";
    MK_ENSURE(bind_all(self->router, self->options.listen), MK_UNAVAILABLE);
    return MK_OK;
}

static void poll_socket(broker_t *self, bus_poll *poll, void *socket, bus_poll_fn *fn)
{
    bus_poll_init(poll, self->loop, fn, self);
    bus_poll_start(poll, socket);
}

static void start(broker_t *self, metrics_t *metrics)
{
    peers_init(&self->peers, &self->router_poll, (size_t)self->options.peers_max);
    broker_metrics_declare(self, metrics);
    bus_alarm_init(&self->expiry, self->loop, on_expiry, self);
    bus_alarm_init(&self->flush, self->loop, on_flush, self);
    bus_alarm_init(&self->sweep, self->loop, on_sweep, self);
    poll_socket(self, &self->router_poll, self->router, on_router);
    poll_socket(self, &self->zap_poll, self->zap.socket, on_zap);
    poll_socket(self, &self->watch_poll, self->watch, on_watch);
    self->started_us = clock_mono_us();
    self->tick_due_us = self->started_us + TICK_MS * 1000;
    self->tick_timer = zloop_timer(self->loop, TICK_MS, 0, on_tick, self);
}

static exchange_t *make_exchange(broker_t *self)
{
    const broker_options *options = &self->options;
    exchange_port port = {broker_dispatch, broker_cancel, broker_answer, broker_worker_dropped, self};
    exchange_limits limits = {(uint32_t)options->queue_count, (uint64_t)options->queue_bytes,
                              (uint32_t)options->caller_count, (uint64_t)options->grace_ms * 1000};
    return exchange_new(&port, &limits);
}

mk_code broker_new(zloop_t *loop, metrics_t *metrics, const broker_options *options, broker_t **ret_broker,
                   const char **ret_what, const char **ret_why)
{
    broker_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    self->loop = loop;
    self->options = *options;
    self->names = acl_names_new();
    self->exchange = make_exchange(self);
    *ret_what = "broker.acl";
    acl_t *acl = NULL;
    mk_code code = acl_load(self->names, options->acl_path, &acl, ret_why);
    bus_list_init(&self->peers.all);
    if (code == MK_OK) use_acl(self, acl);
    if (code == MK_OK) code = open_sockets(self, ret_what, ret_why);
    if (code == MK_OK) {
        start(self, metrics);
        *ret_broker = self;
    } else {
        broker_destroy(&self);
    }
    return code;
}

static void close_socket(bus_poll *poll, void **socket)
{
    if (!*socket) return;
    bus_poll_stop(poll);
    zmq_close(*socket);
    *socket = NULL;
}

void broker_destroy(broker_t **self_p)
{
    broker_t *self = *self_p;
    if (!self) return;
    exchange_destroy(&self->exchange);
    if (self->started_us) {
        zloop_timer_end(self->loop, self->tick_timer);
        bus_alarm_stop(&self->expiry);
        bus_alarm_stop(&self->flush);
        bus_alarm_stop(&self->sweep);
        peers_free(&self->peers);
    }
    close_socket(&self->router_poll, &self->router);
    close_socket(&self->watch_poll, &self->watch);
    close_socket(&self->zap_poll, &self->zap.socket);
    if (self->context) zmq_ctx_term(self->context);
    acl_destroy(&self->acl);
    acl_names_destroy(&self->names);
    free(self);
    *self_p = NULL;
}
