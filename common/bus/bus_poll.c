/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/bus_poll.h"

#include <errno.h>

#include "common/base/clock.h"

static bool readable(const bus_poll *self)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(self->socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN);
}

/* Asked after the last message was read or sent, the socket's descriptor will tell of the next. */
static void look_again(bus_poll *self)
{
    self->unsure = false;
    if (readable(self)) bus_alarm_at(&self->again, clock_mono_us());
}

static void run(void *arg)
{
    bus_poll *self = arg;
    self->running = true;
    self->unsure = true;
    self->fn(self->arg);
    self->running = false;
    if (self->unsure) look_again(self);
}

static int on_fd(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void)loop;
    (void)item;
    run(arg);
    return 0;
}

void bus_poll_init(bus_poll *self, zloop_t *loop, bus_poll_fn *fn, void *arg)
{
    *self = (bus_poll){.loop = loop, .fn = fn, .arg = arg};
    bus_alarm_init(&self->again, loop, run, self);
}

void bus_poll_start(bus_poll *self, void *socket)
{
    size_t size = sizeof self->fd;
    self->socket = socket;
    (void)zmq_getsockopt(socket, ZMQ_FD, &self->fd, &size);
    zmq_pollitem_t item = {.fd = self->fd, .events = ZMQ_POLLIN};
    if (zloop_poller(self->loop, &item, on_fd, self) == 0) zloop_poller_set_tolerant(self->loop, &item);
    look_again(self);
}

void bus_poll_stop(bus_poll *self)
{
    if (!self->socket) return;
    zmq_pollitem_t item = {.fd = self->fd};
    zloop_poller_end(self->loop, &item);
    bus_alarm_stop(&self->again);
    self->socket = NULL; /* fn may have stopped it: look_again then finds nothing */
}

bool bus_poll_recv(bus_poll *self, zmq_msg_t *msg)
{
    if (zmq_msg_recv(msg, self->socket, ZMQ_DONTWAIT) >= 0) return true;
    self->unsure = errno != EAGAIN; /* EINTR tells nothing */
    return false;
}

void bus_poll_sent(bus_poll *self)
{
    if (!self->socket) return;
    self->unsure = true;
    if (!self->running) bus_alarm_at(&self->again, clock_mono_us());
}
