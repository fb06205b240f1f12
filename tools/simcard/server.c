/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/simcard/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tools/simcard/control.h"

enum { CLIENTS = 16, LINE_MAX_SIZE = 1024, SEND_S = 2, POLL_SIGNAL = 0, POLL_LISTEN = 1, POLL_READERS = 2 };
enum { POLL_CLIENTS = POLL_READERS + CONTROL_SLOTS, POLL_COUNT = POLL_CLIENTS + CLIENTS };

typedef struct client {
    int fd; /* -1 = free */
    char line[LINE_MAX_SIZE];
    size_t size;
} client;

typedef struct server {
    control control;
    int signals, listener;
    client clients[CLIENTS];
} server;

/* ---- the control socket ---- */

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    return address;
}

static bool is_served(int fd, const char *path)
{
    struct sockaddr_un address = address_of(path);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static bool listen_privately(int fd, const char *path)
{
    struct sockaddr_un address = address_of(path);
    unlink(path);
    mode_t before = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(before);
    return bound == 0 && listen(fd, CLIENTS) == 0;
}

/* It gets its name once it listens: who waits for the name may connect. */
static int listen_at(const char *path)
{
    char early[sizeof((struct sockaddr_un *)0)->sun_path];
    if ((size_t)snprintf(early, sizeof early, "%s.new", path) >= sizeof early) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    bool served = is_served(fd, path);
    if (served) errno = EADDRINUSE;
    if (!served && listen_privately(fd, early) && rename(early, path) == 0) return fd;
    int kept = errno;
    close(fd);
    errno = kept;
    return -1;
}

static void drop_client(client *self)
{
    close(self->fd);
    self->fd = -1;
    self->size = 0;
}

static void accept_client(server *self)
{
    struct timeval limit = {.tv_sec = SEND_S};
    int fd = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    for (size_t i = 0; i < CLIENTS; i++) {
        if (self->clients[i].fd >= 0) continue;
        self->clients[i].fd = fd;
        return;
    }
    close(fd);
}

static bool send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0) return false;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static bool answer(server *self, client *from, char *line)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) abort();
    control_obey(&self->control, line, out);
    fclose(out);
    bool sent = send_all(from->fd, text, size);
    free(text);
    return sent;
}

static bool obey_lines(server *self, client *from)
{
    char *end;
    while ((end = memchr(from->line, '\n', from->size)) != NULL) {
        size_t used = (size_t)(end - from->line) + 1;
        *end = 0;
        if (!answer(self, from, from->line)) return false;
        memmove(from->line, from->line + used, from->size - used);
        from->size -= used;
    }
    return from->size < sizeof from->line;
}

static void read_client(server *self, client *from)
{
    ssize_t n = recv(from->fd, from->line + from->size, sizeof from->line - from->size, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n > 0) from->size += (size_t)n;
    if (n <= 0 || !obey_lines(self, from)) drop_client(from);
}

/* ---- the loop ---- */

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void fill_polls(const server *self, struct pollfd *polls)
{
    polls[POLL_SIGNAL] = (struct pollfd){self->signals, POLLIN, 0};
    polls[POLL_LISTEN] = (struct pollfd){self->listener, POLLIN, 0};
    for (size_t i = 0; i < CONTROL_SLOTS; i++) {
        polls[POLL_READERS + i] = (struct pollfd){reader_fd(self->control.readers[i]), POLLIN, 0};
    }
    for (size_t i = 0; i < CLIENTS; i++) polls[POLL_CLIENTS + i] = (struct pollfd){self->clients[i].fd, POLLIN, 0};
}

static int next_due(const server *self)
{
    int soonest = -1;
    for (size_t i = 0; i < CONTROL_SLOTS; i++) {
        int due = reader_due_ms(self->control.readers[i], clock_mono_ms());
        if (due >= 0 && (soonest < 0 || due < soonest)) soonest = due;
    }
    return soonest;
}

static void serve_polls(server *self, const struct pollfd *polls)
{
    uint64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < CONTROL_SLOTS; i++) {
        reader_run(self->control.readers[i], polls[POLL_READERS + i].revents != 0, now_ms);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        if (polls[POLL_CLIENTS + i].revents != 0) read_client(self, &self->clients[i]);
    }
    if (polls[POLL_LISTEN].revents != 0) accept_client(self);
}

static void loop(server *self)
{
    struct pollfd polls[POLL_COUNT];
    for (;;) {
        fill_polls(self, polls);
        if (poll(polls, POLL_COUNT, next_due(self)) < 0 && errno != EINTR) return;
        if (polls[POLL_SIGNAL].revents != 0) return;
        serve_polls(self, polls);
    }
}

static void open_readers(server *self, const server_options *options)
{
    self->control.cards_dir = options->cards_dir;
    self->control.fault = fault_new(options->cards_dir);
    self->control.journal = journal_new();
    for (unsigned slot = 0; slot < CONTROL_SLOTS; slot++) {
        reader_options reader = {slot, (uint16_t)(options->port + slot), options->cards_dir, self->control.fault,
                                 self->control.journal};
        self->control.readers[slot] = reader_new(&reader);
    }
}

static void close_readers(server *self)
{
    for (size_t i = 0; i < CONTROL_SLOTS; i++) reader_destroy(&self->control.readers[i]);
    fault_destroy(&self->control.fault);
    journal_destroy(&self->control.journal);
}

static bool insert_first(server *self, const char *name)
{
    char why[CARD_WHY_MAX] = "the card can't be read";
    if (name == NULL || reader_insert(self->control.readers[0], name, why) == MK_OK) return true;
    fprintf(stderr, "mykey-simcard: %s\n", why);
    return false;
}

int server_run(const server_options *options)
{
    server *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    for (size_t i = 0; i < CLIENTS; i++) self->clients[i].fd = -1;
    self->signals = block_signals();
    self->listener = listen_at(options->control);
    if (self->listener < 0) {
        fprintf(stderr, "mykey-simcard: %s: %s\n", options->control, strerror(errno));
        free(self);
        return 1;
    }
    open_readers(self, options);
    bool right = insert_first(self, options->insert);
    if (right) loop(self);
    close_readers(self);
    unlink(options->control);
    free(self);
    return right ? 0 : 1;
}
