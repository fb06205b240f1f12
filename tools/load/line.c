/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/line.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/clock.h"

typedef enum line_state { CLOSED, CONNECTING, HANDSHAKE, UP } line_state;

struct line {
    client_t *client;
    const terminal_t *terminal;
    const line_handler *handler;
    void *arg;
    client_watch watch;
    unsigned edge;
    line_state state;
    bool busy; /* a request is under way */
    int fd;
    uint32_t events;
    uint64_t deadline_us; /* while connecting or busy */
    SSL *ssl;
    SSL_SESSION *session; /* to resume */
    uint8_t *out;         /* what the socket did not take at once; else NULL */
    size_t out_size;
    uint8_t *in; /* an answer that came in parts; else NULL */
    size_t in_size;
};

/* ---- closing ---- */

static void drop_buffers(line_t *self)
{
    free(self->out);
    free(self->in);
    self->out = self->in = NULL;
    self->out_size = self->in_size = 0;
}

void line_close(line_t *self)
{
    ERR_clear_error();
    if (self->state == UP) (void)SSL_shutdown(self->ssl);
    SSL_free(self->ssl);
    if (self->fd >= 0) (void)close(self->fd);
    drop_buffers(self);
    self->ssl = NULL;
    self->fd = -1;
    self->busy = false;
    self->state = CLOSED;
}

static void lose(line_t *self, line_fault fault)
{
    if (fault != LINE_DROPPED) self->edge = (self->edge + 1) % client_get_spec(self->client)->edge_count;
    line_close(self);
    self->handler->lost(fault, self->arg);
}

/* ---- TLS ---- */

static bool want_events(line_t *self, uint32_t events)
{
    if (self->events == events) return true;
    self->events = events;
    return client_watch_socket(self->client, EPOLL_CTL_MOD, self->fd, events, &self->watch);
}

/* What a TLS call that did not succeed waits for; false: it has failed. */
static bool wait_for_tls(line_t *self, int result)
{
    switch (SSL_get_error(self->ssl, result)) {
    case SSL_ERROR_WANT_READ: return want_events(self, EPOLLIN);
    case SSL_ERROR_WANT_WRITE: return want_events(self, EPOLLIN | EPOLLOUT);
    default: return false;
    }
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    line_t *self = SSL_get_app_data(ssl);
    SSL_SESSION_free(self->session);
    self->session = session;
    return 1;
}

static bool expect_peer(SSL *ssl, const client_edge *edge)
{
    if (edge->is_ip) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), edge->host) == 1;
    return SSL_set1_host(ssl, edge->host) == 1 && SSL_set_tlsext_host_name(ssl, edge->host) == 1;
}

static bool make_tls(line_t *self)
{
    self->ssl = SSL_new(client_tls(self->client));
    if (!self->ssl) abort();
    (void)SSL_set_app_data(self->ssl, self);
    SSL_set_connect_state(self->ssl);
    if (self->session) (void)SSL_set_session(self->ssl, self->session);
    return SSL_set_fd(self->ssl, self->fd) == 1 && SSL_use_certificate(self->ssl, self->terminal->certificate) == 1 &&
           SSL_use_PrivateKey(self->ssl, self->terminal->key) == 1 &&
           expect_peer(self->ssl, client_get_edge(self->client, self->edge));
}

static void shake_hands(line_t *self)
{
    ERR_clear_error();
    int result = SSL_do_handshake(self->ssl);
    if (result != 1) {
        if (!wait_for_tls(self, result)) lose(self, LINE_NETWORK);
        return;
    }
    self->state = UP;
    if (want_events(self, EPOLLIN)) {
        self->handler->up(self->arg);
    } else {
        lose(self, LINE_NETWORK);
    }
}

/* ---- requests ---- */

static void keep_rest(line_t *self, const uint8_t *data, size_t size)
{
    if (data == self->out) return;
    self->out = malloc(size);
    if (!self->out) abort();
    memcpy(self->out, data, size);
    self->out_size = size;
}

static void write_request(line_t *self, const uint8_t *data, size_t size)
{
    ERR_clear_error();
    int result = SSL_write(self->ssl, data, (int)size);
    if (result > 0) {
        free(self->out);
        self->out = NULL;
        if (!want_events(self, EPOLLIN)) lose(self, LINE_NETWORK);
    } else if (wait_for_tls(self, result)) {
        keep_rest(self, data, size);
    } else {
        lose(self, LINE_NETWORK);
    }
}

static size_t write_head(const line_t *self, const line_request *request, size_t body_size, char *out)
{
    const client_spec *spec = client_get_spec(self->client);
    int size = snprintf(out, CLIENT_OUT_MAX,
                        "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-protobuf\r\n"
                        "Content-Length: %zu\r\n%s%s%s\r\n",
                        request->method, request->path, spec->edges[self->edge], body_size,
                        request->gateway ? "X-Mykey-Gateway: " : "", request->gateway ? request->gateway : "",
                        request->gateway ? "\r\n" : "");
    return (size_t)size;
}

void line_send(line_t *self, const line_request *request)
{
    uint8_t *out = client_out(self->client);
    size_t body_size = request->message ? protobuf_c_message_get_packed_size(request->message) : 0;
    assert(self->state == UP && !self->busy);
    size_t head_size = write_head(self, request, body_size, (char *)out);
    assert(head_size + body_size <= CLIENT_OUT_MAX);
    if (request->message) (void)protobuf_c_message_pack(request->message, out + head_size);
    self->busy = true;
    self->deadline_us = clock_mono_us() + client_get_spec(self->client)->timeout_us;
    write_request(self, out, head_size + body_size);
}

/* ---- answers ---- */

static void keep_part(line_t *self, const uint8_t *data)
{
    if (self->in) return;
    self->in = malloc(ANSWER_MAX + 1);
    if (!self->in) abort();
    memcpy(self->in, data, self->in_size);
}

static void finish_request(line_t *self, const answer_t *answer)
{
    uint8_t *parts = self->in; /* the answer may stand in it */
    self->in = NULL;
    self->in_size = 0;
    self->busy = false;
    self->handler->answer(answer, self->arg);
    free(parts);
    if (answer->close) lose(self, LINE_DROPPED);
}

/* True: there may be more to read. */
static bool take_bytes(line_t *self, const uint8_t *data, size_t size)
{
    answer_t answer;
    self->in_size += size;
    answer_state state = self->busy ? answer_read(data, self->in_size, &answer) : ANSWER_BAD;
    switch (state) {
    case ANSWER_PARTIAL: keep_part(self, data); return true;
    case ANSWER_WHOLE: finish_request(self, &answer); return false;
    case ANSWER_BAD: break;
    }
    lose(self, LINE_HTTP);
    return false;
}

static void read_answer(line_t *self)
{
    bool more = true;
    while (more) {
        uint8_t *data = self->in ? self->in : client_in(self->client);
        ERR_clear_error();
        /* Never no room: ANSWER_MAX + 1 bytes are whole or bad. */
        int got = SSL_read(self->ssl, data + self->in_size, (int)(ANSWER_MAX + 1 - self->in_size));
        if (got > 0) {
            more = take_bytes(self, data, (size_t)got);
        } else {
            if (!wait_for_tls(self, got)) lose(self, self->busy ? LINE_NETWORK : LINE_DROPPED);
            more = false;
        }
    }
}

/* ---- events ---- */

static void on_events(uint32_t events, void *arg)
{
    line_t *self = arg;
    switch (self->state) {
    case CLOSED: break; /* closed by an event of the same round */
    case CONNECTING:
        if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return;
        self->state = HANDSHAKE;
        shake_hands(self);
        break;
    case HANDSHAKE: shake_hands(self); break;
    case UP:
        if (self->out) write_request(self, self->out, self->out_size);
        if (self->state == UP && (events & ~(uint32_t)EPOLLOUT)) read_answer(self);
        break;
    }
}

static bool connect_socket(line_t *self)
{
    const client_edge *edge = client_get_edge(self->client, self->edge);
    int yes = 1;
    self->fd = socket(edge->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->fd < 0 || setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) return false;
    if (connect(self->fd, (const struct sockaddr *)&edge->address, edge->address_size) != 0 && errno != EINPROGRESS)
        return false;
    self->events = EPOLLIN | EPOLLOUT;
    return client_watch_socket(self->client, EPOLL_CTL_ADD, self->fd, self->events, &self->watch);
}

void line_open(line_t *self)
{
    assert(self->state == CLOSED);
    self->state = CONNECTING;
    self->deadline_us = clock_mono_us() + client_get_spec(self->client)->timeout_us;
    if (!connect_socket(self) || !make_tls(self)) lose(self, LINE_NETWORK);
}

void line_expire(line_t *self, uint64_t now_us)
{
    bool waiting = self->busy || self->state == CONNECTING || self->state == HANDSHAKE;
    if (waiting && now_us >= self->deadline_us) lose(self, LINE_TIMEOUT);
}

/* ---- life ---- */

line_t *line_new(client_t *client, const terminal_t *terminal, unsigned edge, const line_handler *handler, void *arg)
{
    line_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    self->client = client;
    self->terminal = terminal;
    self->handler = handler;
    self->arg = arg;
    self->edge = edge;
    self->fd = -1;
    self->watch = (client_watch){on_events, self};
    if (client_get_spec(client)->resume) SSL_CTX_sess_set_new_cb(client_tls(client), keep_session);
    return self;
}

void line_destroy(line_t **self_p)
{
    line_t *self = *self_p;
    if (!self) return;
    line_close(self);
    SSL_SESSION_free(self->session);
    free(self);
    *self_p = NULL;
}
