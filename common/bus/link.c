/* SPDX-License-Identifier: Apache-2.0 */
/* One broker's socket: opening, hearing, losing, opening again. */
#include "common/base/clock.h"
#include "common/bus/bus_own.h"

enum {
    BURST = 256,
    LIVENESS_US = 3000000,  /* three PINGs */
    HANDSHAKE_US = 8000000, /* connected without an answer: try afresh */
    OFFER_TICKS = 10,       /* offers are repeated, in case that the broker forgot us */
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
    WATCHED = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
              ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
};

static const bus_slice no_body = {NULL, 0};

static void tell_state(bus_peer_t *peer)
{
    bool connected = false;
    for (int i = 0; i < BUS_LINKS; i++) connected = connected || peer->links[i].state == LINK_UP;
    if (connected == peer->connected) return;
    peer->connected = connected;
    if (peer->on_state) peer->on_state(connected, peer->state_arg);
}

static void set_state(bus_link *self, link_state state)
{
    if (self->state == state) return;
    self->state = state;
    if (self->peer->has_metrics)
        metric_set(self->peer->metrics.link_up, state == LINK_UP, self->name, NULL, NULL, NULL);
    tell_state(self->peer);
}

/* What is still in the socket is thrown away: it may be sent again elsewhere, and must not arrive twice. */
void link_close(bus_link *self)
{
    int linger = self->peer->gone ? 1000 : 0;
    if (self->socket) {
        bus_poll_stop(&self->socket_poll);
        zmq_setsockopt(self->socket, ZMQ_LINGER, &linger, sizeof linger);
        zmq_close(self->socket);
    }
    if (self->watch) {
        bus_poll_stop(&self->watch_poll);
        zmq_close(self->watch);
    }
    self->socket = self->watch = NULL;
    bus_outbox_clear(&self->outbox);
}

static uint64_t backoff_us(bus_link *self)
{
    unsigned doublings = self->failures < 6 ? self->failures : 6;
    uint32_t ms = BACKOFF_MIN_MS << doublings, jitter;
    if (ms > BACKOFF_MAX_MS) ms = BACKOFF_MAX_MS;
    bus_random(self->peer, (uint8_t *)&jitter, sizeof jitter);
    return (ms / 2 + jitter % (ms / 2 + 1)) * 1000ull;
}

static void lose(bus_link *self)
{
    link_close(self);
    self->reopen_us = clock_mono_us() + backoff_us(self);
    self->failures++;
    set_state(self, LINK_DOWN);
    bus_alarm_at(&self->peer->alarm, self->reopen_us);
    bus_calls_lost(self);
}

/* ---- what comes ---- */

static void hello(bus_link *self)
{
    bus_jobs_hello(self);
    (void)link_send(self, BUS_PING, NULL, no_body);
}

/* After a silence as long as the broker's patience it may have given us up: offers are made again. */
static void heard(bus_link *self)
{
    uint64_t now = clock_mono_us();
    bool silent = self->heard_us && now - self->heard_us >= LIVENESS_US;
    self->heard_us = now;
    if (silent) hello(self);
    if (self->state != LINK_CONNECTING) return;
    self->failures = 0;
    set_state(self, LINK_UP);
}

static void take_with_header(bus_link *self, const bus_frame *frame)
{
    bus_header header;
    if (bus_header_decode(frame->header.data, frame->header.size, &header, NULL) != MK_OK) {
        bus_drop(self->peer, "header");
        return;
    }
    switch (frame->command) {
    case BUS_REPLY: bus_calls_reply(self, &header, frame->body); break;
    case BUS_CANCEL: bus_jobs_cancel(self, &header); break;
    case BUS_PING: (void)link_send(self, BUS_PONG, NULL, no_body); break;
    case BUS_GOAWAY: set_state(self, LINK_LEAVING); break;
    case BUS_PONG: break;
    case BUS_REJECT: bus_drop(self->peer, "serve_denied"); break;
    default: bus_drop(self->peer, "command"); break;
    }
}

static void take(bus_link *self, zmq_msg_t *msg)
{
    bus_frame frame;
    if (bus_frame_parse(zmq_msg_data(msg), zmq_msg_size(msg), &frame) != MK_OK) {
        bus_drop(self->peer, "frame");
        return;
    }
    heard(self);
    if (frame.command == BUS_DISPATCH)
        bus_jobs_take(self, msg);
    else
        take_with_header(self, &frame);
}

/* A handler may lose the link under us: the generation tells. */
static void on_socket(void *arg)
{
    bus_link *self = arg;
    uint64_t generation = self->generation;
    for (int i = 0; i < BURST && self->socket && self->generation == generation; i++) {
        zmq_msg_t msg;
        zmq_msg_init(&msg);
        bool got = bus_poll_recv(&self->socket_poll, &msg);
        if (got) take(self, &msg);
        zmq_msg_close(&msg);
        if (!got) break;
    }
}

static void on_watch(void *arg)
{
    bus_link *self = arg;
    int event;
    uint32_t value;
    while (self->watch && bus_socket_event(self->watch, &event, &value)) {
        if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            self->heard_us = clock_mono_us();
            hello(self);
        } else {
            on_socket(self); /* replies that came before the end */
            if (self->watch) lose(self);
        }
    }
}

/* ---- opening ---- */

void link_init(bus_link *self, bus_peer_t *peer, const char *name, const char *endpoint, const char *key_path)
{
    *self = (bus_link){.peer = peer, .name = name, .endpoint = endpoint, .key_path = key_path};
    self->state = endpoint && *endpoint ? LINK_DOWN : LINK_UNUSED;
    bus_poll_init(&self->socket_poll, peer->loop, on_socket, self);
    bus_poll_init(&self->watch_poll, peer->loop, on_watch, self);
    bus_list_init(&self->calls);
    bus_outbox_init(&self->outbox);
}

/* The broker's public key is read anew, so that a rotation needs no restart. */
static bool make_socket(bus_link *self)
{
    char server[BUS_KEY_TEXT + 1];
    const char *why;
    if (bus_key_load_public(self->key_path, server, &why) != MK_OK) return false;
    self->socket = bus_socket_dealer(self->peer->context, &self->peer->key, server);
    if (!self->socket) return false;
    self->watch = bus_socket_watch(self->peer->context, self->socket, WATCHED);
    return self->watch && zmq_connect(self->socket, self->endpoint) == 0;
}

void link_open(bus_link *self)
{
    if (self->state == LINK_UNUSED) return;
    self->generation++;
    if (!make_socket(self)) {
        lose(self);
        return;
    }
    self->heard_us = 0;
    set_state(self, LINK_CONNECTING);
    bus_poll_start(&self->socket_poll, self->socket);
    bus_poll_start(&self->watch_poll, self->watch);
}

/* ---- time ---- */

void link_tick(bus_link *self, uint64_t now_us)
{
    if (self->state == LINK_DOWN && now_us >= self->reopen_us) link_open(self);
    if (!self->socket || !self->heard_us) return;
    uint64_t limit = self->state == LINK_CONNECTING ? HANDSHAKE_US : LIVENESS_US;
    if (now_us - self->heard_us >= limit) on_socket(self); /* were we the slow one? */
    if (!self->socket) return;
    if (now_us > self->heard_us && now_us - self->heard_us >= limit)
        lose(self);
    else if (++self->ticks % OFFER_TICKS == 0)
        hello(self);
    else
        (void)link_send(self, BUS_PING, NULL, no_body);
}

/* ---- sending ---- */

bus_sent link_send_msg(bus_link *self, zmq_msg_t *msg)
{
    if (!self->socket) {
        zmq_msg_close(msg);
        return BUS_GONE;
    }
    bus_sent sent = bus_outbox_send(&self->outbox, self->socket, no_body, msg);
    bus_poll_sent(&self->socket_poll);
    if (sent == BUS_QUEUED) bus_alarm_at(&self->peer->flush, clock_mono_us() + 1000);
    if (sent == BUS_FULL) bus_drop(self->peer, "outbox_full");
    return sent;
}

bus_sent link_send(bus_link *self, bus_command command, const bus_header *header, bus_slice body)
{
    zmq_msg_t msg;
    if (bus_frame_build(&msg, command, header, body) != MK_OK) return BUS_FULL;
    return link_send_msg(self, &msg);
}

bool link_flush(bus_link *self)
{
    if (!self->socket) return false;
    bus_sent sent = bus_outbox_flush(&self->outbox, self->socket, no_body);
    bus_poll_sent(&self->socket_poll);
    return sent == BUS_QUEUED;
}
