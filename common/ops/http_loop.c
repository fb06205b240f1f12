/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd never runs inside one of our own calls: http_loop_kick only sets a timer of 0 ms, so a handler may
 * resume connections (its own or another's) wherever it stands. */
#include "common/ops/http_loop.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/text.h"

enum { BACKLOG = 512, CONNECTIONS = 1000, TIMEOUT_S = 30, HEADER_MEMORY = 32 * 1024, WAIT_MAX_MS = 60 * 1000 };

static const char unix_prefix[] = "unix:";

struct http_loop {
    zloop_t *loop;
    struct MHD_Daemon *daemon;
    zmq_pollitem_t item; /* libmicrohttpd's epoll descriptor */
    int timer;           /* -1: none */
    bool timer_is_kick;
    unsigned connections; /* after the last run */
    unsigned port;
    char *path; /* of the unix socket while it listens */
};

/* ---- the listening socket ---- */

/* A socket file that nobody listens on is left over from a kill -9. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    bool stale = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_socket(const struct sockaddr *address, socklen_t size)
{
    int on = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (address->sa_family != AF_UNIX) { /* accepted sockets inherit TCP_NODELAY */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (bind(fd, address, size) == 0 && listen(fd, BACKLOG) == 0) return fd;
    close(fd);
    return -1;
}

static mk_code listen_unix(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    MK_ENSURE(size > 0 && size < sizeof address.sun_path, MK_BAD_REQUEST);
    memcpy(address.sun_path, path, size);
    if (is_stale(&address)) unlink(path);
    mode_t before = umask(0177);
    int fd = bind_socket((const struct sockaddr *)&address, sizeof address);
    umask(before);
    MK_ENSURE(fd >= 0, MK_UNAVAILABLE);
    if (chmod(path, 0660) != 0) {
        close(fd);
        return MK_UNAVAILABLE;
    }
    *ret_fd = fd;
    return MK_OK;
}

/* "127.0.0.1:80" or "[::1]:80" into two texts. getaddrinfo would take port 99999 for 34463. */
static bool split_host(const char *listen, char *host, size_t cap, const char **ret_port)
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || colon == listen) return false;
    size_t size = (size_t)(colon - listen);
    if (listen[0] == '[' && colon[-1] == ']') {
        listen++;
        size -= 2;
    }
    if (size == 0 || size >= cap) return false;
    memcpy(host, listen, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    return text_is_made_of(colon + 1, TEXT_DIGITS, 1, 5) && strtoul(colon + 1, NULL, 10) <= UINT16_MAX;
}

static mk_code listen_tcp(const char *text, int *ret_fd)
{
    char host[64];
    const char *port;
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    MK_ENSURE(split_host(text, host, sizeof host, &port), MK_BAD_REQUEST);
    MK_ENSURE(getaddrinfo(host, port, &hints, &found) == 0, MK_BAD_REQUEST);
    int fd = bind_socket(found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    MK_ENSURE(fd >= 0, MK_UNAVAILABLE);
    *ret_fd = fd;
    return MK_OK;
}

bool http_loop_is_local(const char *listen)
{
    char host[64];
    const char *port;
    struct in_addr four;
    struct in6_addr six;
    if (strncmp(listen, unix_prefix, sizeof unix_prefix - 1) == 0) return listen[sizeof unix_prefix - 1] != '\0';
    if (!split_host(listen, host, sizeof host, &port)) return false;
    if (inet_pton(AF_INET, host, &four) == 1) return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static unsigned bound_port(int fd)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return 0;
    if (address.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

/* ---- the loop ---- */

static int on_timer(zloop_t *loop, int timer, void *arg);

static void clear_timer(http_loop_t *self)
{
    if (self->timer != -1) zloop_timer_end(self->loop, self->timer);
    self->timer = -1;
    self->timer_is_kick = false;
}

static void set_timer(http_loop_t *self, size_t delay_ms)
{
    clear_timer(self);
    self->timer = zloop_timer(self->loop, delay_ms, 1, on_timer, self);
    self->timer_is_kick = delay_ms == 0;
}

/* At its connection limit libmicrohttpd takes the listening socket out of its epoll set and puts it back only at the
 * start of a later MHD_run, which nothing would cause: so whenever connections ended, it runs once more. */
static void notice_ended(http_loop_t *self)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    unsigned now = info == NULL ? 0 : info->num_connections;
    if (now < self->connections) http_loop_kick(self);
    self->connections = now;
}

static void run(http_loop_t *self)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    MHD_run(self->daemon);
    notice_ended(self);
    if (self->timer_is_kick) return; /* also if a handler asked for it */
    if (MHD_get_timeout(self->daemon, &wait_ms) == MHD_YES) {
        set_timer(self, wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : (size_t)wait_ms);
    } else {
        clear_timer(self);
    }
}

static int on_timer(zloop_t *loop, int timer, void *arg)
{
    http_loop_t *self = arg;
    (void)loop;
    if (timer != self->timer) return 0; /* ended in this very turn */
    self->timer = -1;
    self->timer_is_kick = false;
    run(self);
    return 0;
}

static int on_ready(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void)loop;
    (void)item;
    run(arg);
    return 0;
}

void http_loop_kick(http_loop_t *self)
{
    if (!self->timer_is_kick) set_timer(self, 0);
}

/* ---- life ---- */

static struct MHD_Daemon *start_daemon(int fd, const http_loop_options *options)
{
    unsigned limit = options->connection_limit == 0 ? CONNECTIONS : options->connection_limit;
    unsigned timeout = options->timeout_s == 0 ? TIMEOUT_S : options->timeout_s;
    struct MHD_OptionItem extra[] = {
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)options->completed, options->arg},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, options->handler, options->arg,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, limit,
                            MHD_OPTION_CONNECTION_TIMEOUT, timeout, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)HEADER_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
                            options->completed == NULL ? &extra[1] : extra, MHD_OPTION_END);
}

static void watch(http_loop_t *self)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    assert(info != NULL);
    self->item = (zmq_pollitem_t){.fd = info->epoll_fd, .events = ZMQ_POLLIN};
    int rc = zloop_poller(self->loop, &self->item, on_ready, self);
    assert(rc == 0);
    zloop_poller_set_tolerant(self->loop, &self->item);
}

mk_code http_loop_new(zloop_t *loop, const http_loop_options *options, http_loop_t **ret_http)
{
    int fd = -1;
    bool is_unix = strncmp(options->listen, unix_prefix, sizeof unix_prefix - 1) == 0;
    const char *path = is_unix ? options->listen + sizeof unix_prefix - 1 : NULL;
    MK_TRY(is_unix ? listen_unix(path, &fd) : listen_tcp(options->listen, &fd));
    struct MHD_Daemon *daemon = start_daemon(fd, options);
    if (daemon == NULL) {
        close(fd);
        return MK_UNAVAILABLE;
    }
    http_loop_t *self = calloc(1, sizeof *self);
    assert(self != NULL);
    *self = (http_loop_t){.loop = loop, .daemon = daemon, .timer = -1, .port = bound_port(fd)};
    if (is_unix) self->path = strdup(path);
    watch(self);
    *ret_http = self;
    return MK_OK;
}

static void forget_path(http_loop_t *self)
{
    if (self->path != NULL) unlink(self->path);
    free(self->path);
    self->path = NULL;
}

void http_loop_destroy(http_loop_t **self_p)
{
    http_loop_t *self = *self_p;
    if (self == NULL) return;
    forget_path(self); /* while it listens, so that it is never a successor's */
    clear_timer(self);
    zloop_poller_end(self->loop, &self->item);
    MHD_stop_daemon(self->daemon);
    free(self);
    *self_p = NULL;
}

unsigned http_loop_port(const http_loop_t *self)
{
    return self->port;
}

void http_loop_quiesce(http_loop_t *self)
{
    forget_path(self);
    MHD_socket fd = MHD_quiesce_daemon(self->daemon);
    if (fd != MHD_INVALID_SOCKET) close(fd);
}
