/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/bus_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bus/bus_frame.h"

enum { MESSAGE_MAX = 128 * 1024, ROUTER_HWM = 64, DEALER_HWM = 256 };

typedef struct option {
    int name, value;
} option;

/* docs/bus.md "Socket settings" says why each. */
static const option common_options[] = {
    {ZMQ_MAXMSGSIZE, 0}, /* set as int64 below */
    {ZMQ_SNDTIMEO, 0},
    {ZMQ_LINGER, 1000},
    {ZMQ_HANDSHAKE_IVL, 3000},
    {ZMQ_HEARTBEAT_IVL, 5000},
    {ZMQ_HEARTBEAT_TIMEOUT, 15000},
    {ZMQ_HEARTBEAT_TTL, 15000},
};

static const option router_options[] = {
    {ZMQ_SNDHWM, ROUTER_HWM}, {ZMQ_RCVHWM, ROUTER_HWM}, {ZMQ_ROUTER_MANDATORY, 1},
    {ZMQ_ROUTER_HANDOVER, 0}, {ZMQ_BACKLOG, 512},       {ZMQ_CURVE_SERVER, 1},
};

static const option dealer_options[] = {
    {ZMQ_SNDHWM, DEALER_HWM}, {ZMQ_RCVHWM, DEALER_HWM},      {ZMQ_IMMEDIATE, 1},
    {ZMQ_RECONNECT_IVL, 200}, {ZMQ_RECONNECT_IVL_MAX, 5000}, {ZMQ_CONNECT_TIMEOUT, 2000},
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static bool set_options(void *socket, const option *options, size_t count)
{
    int64_t message_max = MESSAGE_MAX;
    for (size_t i = 0; i < count; i++) {
        bool wide = options[i].name == ZMQ_MAXMSGSIZE;
        const void *value = wide ? (const void *)&message_max : &options[i].value;
        if (zmq_setsockopt(socket, options[i].name, value, wide ? sizeof message_max : sizeof(int)) != 0) return false;
    }
    return true;
}

static bool set_key(void *socket, int name, const char *text)
{
    return zmq_setsockopt(socket, name, text, BUS_KEY_TEXT) == 0;
}

static void *keep_or_close(void *socket, bool good)
{
    if (good) return socket;
    int saved = errno;
    zmq_close(socket);
    errno = saved;
    return NULL;
}

void *bus_socket_router(void *context, const bus_key *key)
{
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    if (!socket) return NULL;
    bool good = set_options(socket, common_options, COUNT_OF(common_options)) &&
                set_options(socket, router_options, COUNT_OF(router_options)) &&
                set_key(socket, ZMQ_CURVE_SECRETKEY, key->secret_text) &&
                zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, BUS_ZAP_DOMAIN, strlen(BUS_ZAP_DOMAIN)) == 0;
    return keep_or_close(socket, good);
}

void *bus_socket_dealer(void *context, const bus_key *key, const char *server_public)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    if (!socket) return NULL;
    bool good = set_options(socket, common_options, COUNT_OF(common_options)) &&
                set_options(socket, dealer_options, COUNT_OF(dealer_options)) &&
                set_key(socket, ZMQ_CURVE_SERVERKEY, server_public) &&
                set_key(socket, ZMQ_CURVE_PUBLICKEY, key->public_text) &&
                set_key(socket, ZMQ_CURVE_SECRETKEY, key->secret_text);
    return keep_or_close(socket, good);
}

void *bus_socket_watch(void *context, void *socket, int events)
{
    static unsigned serial;
    char endpoint[64];
    int linger = 0;
    snprintf(endpoint, sizeof endpoint, "inproc://bus-watch-%u", ++serial);
    if (zmq_socket_monitor(socket, endpoint, events) != 0) return NULL;
    void *watch = zmq_socket(context, ZMQ_PAIR);
    if (!watch) return NULL;
    bool good = zmq_setsockopt(watch, ZMQ_LINGER, &linger, sizeof linger) == 0 && zmq_connect(watch, endpoint) == 0;
    return keep_or_close(watch, good);
}

bool bus_socket_event(void *watch, int *ret_event, uint32_t *ret_value)
{
    uint8_t data[6], address[512];
    uint16_t event;
    if (zmq_recv(watch, data, sizeof data, ZMQ_DONTWAIT) != (int)sizeof data) return false;
    (void)zmq_recv(watch, address, sizeof address, ZMQ_DONTWAIT);
    memcpy(&event, data, 2);
    memcpy(ret_value, data + 2, 4);
    *ret_event = event;
    return true;
}

typedef struct entry {
    bus_list link;
    zmq_msg_t msg;
} entry;

void bus_outbox_init(bus_outbox *self)
{
    *self = (bus_outbox){0};
    bus_list_init(&self->entries);
}

static void drop_entry(bus_outbox *self, entry *one)
{
    self->count--;
    self->bytes -= zmq_msg_size(&one->msg);
    bus_list_remove(&one->link);
    zmq_msg_close(&one->msg);
    free(one);
}

void bus_outbox_clear(bus_outbox *self)
{
    for (bus_list *node; (node = bus_list_first(&self->entries));) drop_entry(self, BUS_OWNER(node, entry, link));
}

/* EINTR can't be told from a full pipe by what follows: both mean "try again". */
static bus_sent try_send(void *socket, bus_slice to, zmq_msg_t *msg)
{
    int sent = to.size ? zmq_send(socket, to.data, to.size, ZMQ_SNDMORE | ZMQ_DONTWAIT) : 0;
    if (sent >= 0) sent = zmq_msg_send(msg, socket, ZMQ_DONTWAIT);
    if (sent >= 0) return BUS_SENT;
    return errno == EAGAIN || errno == EINTR ? BUS_QUEUED : BUS_GONE;
}

static bus_sent keep(bus_outbox *self, zmq_msg_t *msg)
{
    size_t size = zmq_msg_size(msg);
    entry *one = NULL;
    if (self->count < BUS_OUTBOX_COUNT_MAX && self->bytes + size <= BUS_OUTBOX_BYTES_MAX) one = calloc(1, sizeof *one);
    if (!one) {
        zmq_msg_close(msg);
        return BUS_FULL;
    }
    zmq_msg_init(&one->msg);
    zmq_msg_move(&one->msg, msg);
    zmq_msg_close(msg);
    bus_list_push(&self->entries, &one->link);
    self->count++;
    self->bytes += size;
    return BUS_QUEUED;
}

bus_sent bus_outbox_send(bus_outbox *self, void *socket, bus_slice to, zmq_msg_t *msg)
{
    if (self->count) return keep(self, msg);
    bus_sent sent = try_send(socket, to, msg);
    if (sent == BUS_QUEUED) return keep(self, msg);
    if (sent == BUS_GONE) zmq_msg_close(msg);
    return sent;
}

bus_sent bus_outbox_flush(bus_outbox *self, void *socket, bus_slice to)
{
    for (bus_list *node; (node = bus_list_first(&self->entries));) {
        entry *one = BUS_OWNER(node, entry, link);
        size_t size = zmq_msg_size(&one->msg); /* 0 once it is sent */
        bus_sent sent = try_send(socket, to, &one->msg);
        if (sent == BUS_GONE) bus_outbox_clear(self);
        if (sent != BUS_SENT) return sent;
        self->bytes -= size;
        drop_entry(self, one);
    }
    return BUS_SENT;
}
