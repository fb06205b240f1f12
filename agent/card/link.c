/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/card/link.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/card/child.h"
#include "common/base/clock.h"

enum { TICK_MS = 250 };

struct card_link {
    zloop_t *loop;
    card_link_options options;
    card_report_fn *fn;
    void *arg;
    pid_t pid;  /* 0 = none runs */
    bool dying; /* killed, not reaped yet */
    int fd;     /* -1 = none */
    int timer;
    uint32_t seq;
    card_verb last; /* ordered of the present child; 0 = nothing */
    uint64_t heard_at_ms;
    unsigned restarts;
    card_report report;
};

/* Runs in the forked process: only async-signal-safe calls. */
static void become_child(int socket_fd, int pin, const char *filter)
{
    int high_socket = fcntl(socket_fd, F_DUPFD, 16);
    int high_pin = fcntl(pin, F_DUPFD, 16);
    if (dup2(high_socket, CARD_CHILD_SOCKET) < 0 || dup2(high_pin, CARD_CHILD_PIN) < 0) _exit(127);
    (void)close_range(CARD_CHILD_PIN + 1, ~0U, 0);
    execl("/proc/self/exe", "mykey-agent", CARD_CHILD_FLAG, filter, (char *)NULL);
    _exit(127);
}

static int on_readable(zloop_t *loop, zmq_pollitem_t *item, void *arg);

static bool start_child(card_link_t *self)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return false;
    pid_t pid = fork();
    if (pid == 0) become_child(pair[1], pin_fd(self->options.pin), self->options.reader_filter);
    (void)close(pair[1]);
    if (pid < 0) {
        (void)close(pair[0]);
        return false;
    }
    self->pid = pid;
    self->dying = false;
    self->fd = pair[0];
    (void)fcntl(self->fd, F_SETFL, O_NONBLOCK);
    self->heard_at_ms = clock_mono_ms();
    zmq_pollitem_t item = {.fd = self->fd, .events = ZMQ_POLLIN};
    return zloop_poller(self->loop, &item, on_readable, self) == 0;
}

static void close_socket(card_link_t *self)
{
    if (self->fd < 0) return;
    zmq_pollitem_t item = {.fd = self->fd};
    zloop_poller_end(self->loop, &item);
    (void)close(self->fd);
    self->fd = -1;
}

/* The child is of no more use: kill it and tell so. The tick reaps it and starts the next. */
static void give_up(card_link_t *self)
{
    if (self->pid > 0) (void)kill(self->pid, SIGKILL);
    self->dying = true;
    self->restarts++;
    self->seq++;
    close_socket(self);
    pin_wipe(self->options.pin);
    card_report stuck = {.verb = CARD_PRESENCE, .problem = PROBLEM_READER_STUCK};
    self->fn(&stuck, self->arg);
}

static bool was_in_session(const card_link_t *self)
{
    return self->last == CARD_OPEN || self->last == CARD_VERIFY || self->last == CARD_SIGN;
}

/* If the lost one was in a session, its card is unpowered first. Only then: where the reader itself hangs, the new one
 * may hang as well. */
static void replace_child(card_link_t *self)
{
    self->pid = 0;
    if (start_child(self) && was_in_session(self)) card_link_order(self, CARD_UNPOWER, NULL, 0);
}

static bool is_whole(const card_report *report, ssize_t got)
{
    return got >= (ssize_t)offsetof(card_report, data) && report->size <= sizeof report->data &&
           (size_t)got == offsetof(card_report, data) + report->size;
}

static int on_readable(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void)loop;
    (void)item;
    card_link_t *self = arg;
    ssize_t got = recv(self->fd, &self->report, sizeof self->report, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (!is_whole(&self->report, got)) {
        give_up(self);
        /* It is dead: no need to wait for the tick while others can have the card. */
        if (got == 0 && was_in_session(self) && waitpid(self->pid, NULL, 0) > 0) replace_child(self);
        return 0;
    }
    self->heard_at_ms = clock_mono_ms();
    if (self->report.verb == CARD_PRESENCE || self->report.seq == self->seq) self->fn(&self->report, self->arg);
    return 0;
}

static int on_tick(zloop_t *loop, int timer, void *arg)
{
    (void)loop;
    (void)timer;
    card_link_t *self = arg;
    if (self->dying) {
        if (self->pid > 0 && waitpid(self->pid, NULL, WNOHANG) == 0) return 0;
        replace_child(self);
    } else if (clock_mono_ms() - self->heard_at_ms > self->options.timeout_ms) {
        give_up(self);
    }
    return 0;
}

card_link_t *card_link_new(zloop_t *loop, const card_link_options *options, card_report_fn *fn, void *arg)
{
    card_link_t *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->loop = loop;
    self->options = *options;
    self->fn = fn;
    self->arg = arg;
    self->fd = -1;
    self->timer = -1;
    if (!start_child(self) || (self->timer = zloop_timer(loop, TICK_MS, 0, on_tick, self)) < 0)
        card_link_destroy(&self);
    return self;
}

void card_link_destroy(card_link_t **self_p)
{
    if (!self_p || !*self_p) return;
    card_link_t *self = *self_p;
    if (self->timer >= 0) zloop_timer_end(self->loop, self->timer);
    close_socket(self); /* the child unpowers its card and leaves */
    for (int i = 0; self->pid > 0 && i < 20; i++) {
        if (waitpid(self->pid, NULL, WNOHANG) != 0)
            self->pid = 0;
        else
            zclock_sleep(50);
    }
    if (self->pid > 0) {
        (void)kill(self->pid, SIGKILL);
        (void)waitpid(self->pid, NULL, 0);
    }
    free(self);
    *self_p = NULL;
}

void card_link_order(card_link_t *self, card_verb verb, const uint8_t *data, size_t size)
{
    card_order order = {.verb = verb, .seq = ++self->seq, .size = (uint32_t)size};
    if (size > sizeof order.data || self->fd < 0) return;
    self->last = verb;
    if (size > 0) memcpy(order.data, data, size);
    self->heard_at_ms = clock_mono_ms();
    if (send(self->fd, &order, offsetof(card_order, data) + size, MSG_NOSIGNAL | MSG_DONTWAIT) <= 0)
        self->heard_at_ms = 0; /* the next tick gives it up */
}

unsigned card_link_restarts(const card_link_t *self)
{
    return self->restarts;
}
