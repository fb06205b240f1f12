/* SPDX-License-Identifier: Apache-2.0 */
/* A ZeroMQ socket in a zloop by its descriptor (ZMQ_FD). Given as a socket, zloop asks it for its events several times
 * a turn, a system call each. The descriptor speaks once for each change: whoever is told must read until nothing is
 * left, and sending may swallow what it would have said. Both are kept here. */
#ifndef MYKEY_BUS_BUS_POLL_H
#define MYKEY_BUS_BUS_POLL_H

#include <czmq.h>
#include <stdbool.h>

#include "common/bus/bus_heap.h"

/* Reads with bus_poll_recv until it returns false, or stops earlier to give others their turn: it is called again. It
 * may stop the poll, and start it on another socket. */
typedef void bus_poll_fn(void *arg);

typedef struct bus_poll {
    zloop_t *loop;
    void *socket; /* NULL = not polled */
    int fd;
    bus_poll_fn *fn;
    void *arg;
    bus_alarm again;
    bool running;
    bool unsure; /* something may have come that the descriptor will not tell */
} bus_poll;

void bus_poll_init(bus_poll *self, zloop_t *loop, bus_poll_fn *fn, void *arg);

/* What has come already is told, too. The socket stays the caller's; stop before closing it. */
void bus_poll_start(bus_poll *self, void *socket);
void bus_poll_stop(bus_poll *self); /* not started: nothing */

/* The next message's first frame without waiting; msg is initialised by the caller. false: nothing is left. */
bool bus_poll_recv(bus_poll *self, zmq_msg_t *msg);

/* To be called after each sending on the socket. However many are sent, it is read once, when the loop comes round. */
void bus_poll_sent(bus_poll *self);

#endif
