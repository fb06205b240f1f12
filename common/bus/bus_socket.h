/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that makes bus sockets and sets their options, and sending without waiting and without losing. */
#ifndef MYKEY_BUS_BUS_SOCKET_H
#define MYKEY_BUS_BUS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "common/bus/bus_header.h"
#include "common/bus/bus_key.h"
#include "common/bus/bus_list.h"

#define BUS_ZAP_DOMAIN "bus"
#define BUS_ZAP_ENDPOINT "inproc://zeromq.zap.01"

/* Unbound and unconnected; NULL with errno if an option was refused. */
void *bus_socket_router(void *context, const bus_key *key);
void *bus_socket_dealer(void *context, const bus_key *key, const char *server_public);

/* Connection events of a socket as bytes on a PAIR socket; NULL with errno. Close the watched socket first. */
void *bus_socket_watch(void *context, void *socket, int events);

/* The next event without waiting; false: none. value: fd, errno or ZAP status. */
bool bus_socket_event(void *watch, int *ret_event, uint32_t *ret_value);

/* ---- outbox: messages that the socket would not take yet, in order, bounded ---- */

enum { BUS_OUTBOX_COUNT_MAX = 4096, BUS_OUTBOX_BYTES_MAX = 4 * 1024 * 1024 };

typedef struct bus_outbox {
    bus_list entries;
    size_t count, bytes;
} bus_outbox;

typedef enum bus_sent {
    BUS_SENT,   /* handed to the socket */
    BUS_QUEUED, /* kept: call bus_outbox_flush in a millisecond */
    BUS_GONE,   /* certain: the peer is not connected, nothing was sent */
    BUS_FULL,   /* dropped: the outbox is at its limit */
} bus_sent;

void bus_outbox_init(bus_outbox *self);
void bus_outbox_clear(bus_outbox *self);

/* Takes msg over in every case. to: routing id, empty on a DEALER. */
bus_sent bus_outbox_send(bus_outbox *self, void *socket, bus_slice to, zmq_msg_t *msg);

/* BUS_SENT: empty now; BUS_QUEUED: try again; BUS_GONE: cleared. */
bus_sent bus_outbox_flush(bus_outbox *self, void *socket, bus_slice to);

#endif
