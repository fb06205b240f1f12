/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "tools/load/answer.h"

enum { EVENTS_MAX = 256 };

struct client {
    client_spec spec;
    client_edge edges[CLIENT_EDGES_MAX];
    SSL_CTX *tls;
    int epoll;
    bool coarse; /* no epoll_pwait2 here */
    uint8_t out[CLIENT_OUT_MAX], in[ANSWER_MAX + 1];
};

/* HOST:PORT, an IPv6 address in brackets. */
static bool split_edge(const char *text, char host[256], const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || colon[1] == '\0') return false;
    size_t size = (size_t)(colon - text);
    if (text[0] == '[' && size > 2 && colon[-1] == ']') {
        text++;
        size -= 2;
    }
    if (size >= 256) return false;
    memcpy(host, text, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    return true;
}

static bool find_edge(client_edge *edge, const char *text)
{
    const char *port = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    uint8_t ip[sizeof(struct in6_addr)];
    if (!split_edge(text, edge->host, &port) || getaddrinfo(edge->host, port, &hints, &found) != 0) return false;
    memcpy(&edge->address, found->ai_addr, found->ai_addrlen);
    edge->address_size = found->ai_addrlen;
    edge->is_ip = inet_pton(AF_INET, edge->host, ip) == 1 || inet_pton(AF_INET6, edge->host, ip) == 1;
    freeaddrinfo(found);
    return true;
}

static SSL_CTX *make_tls(const client_spec *spec)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls) abort();
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(tls, 1); /* one read a record, not two */
    (void)SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(tls, spec->resume ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                                           : SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 &&
        SSL_CTX_load_verify_locations(tls, spec->server_ca, NULL) == 1)
        return tls;
    SSL_CTX_free(tls);
    return NULL;
}

static const char *set_up(client_t *self)
{
    for (unsigned i = 0; i < self->spec.edge_count; i++)
        if (!find_edge(&self->edges[i], self->spec.edges[i])) return self->spec.edges[i];
    self->tls = make_tls(&self->spec);
    if (!self->tls) return self->spec.server_ca;
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    return self->epoll >= 0 ? NULL : "epoll";
}

client_t *client_new(const client_spec *spec)
{
    client_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    self->spec = *spec;
    self->epoll = -1;
    const char *wrong = set_up(self);
    if (wrong) {
        (void)fprintf(stderr, "mykey-load: %s: can't be used\n", wrong);
        client_destroy(&self);
    }
    return self;
}

void client_destroy(client_t **self_p)
{
    client_t *self = *self_p;
    if (!self) return;
    SSL_CTX_free(self->tls);
    if (self->epoll >= 0) (void)close(self->epoll);
    free(self);
    *self_p = NULL;
}

const client_spec *client_get_spec(const client_t *self)
{
    return &self->spec;
}

const client_edge *client_get_edge(const client_t *self, unsigned index)
{
    return &self->edges[index];
}

SSL_CTX *client_tls(const client_t *self)
{
    return self->tls;
}

uint8_t *client_out(client_t *self)
{
    return self->out;
}

uint8_t *client_in(client_t *self)
{
    return self->in;
}

bool client_watch_socket(client_t *self, int operation, int fd, uint32_t events, client_watch *watch)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(self->epoll, operation, fd, &event) == 0;
}

/* To the microsecond; to the millisecond where the kernel (or valgrind) can't. */
static int wait_events(client_t *self, struct epoll_event events[EVENTS_MAX], uint64_t timeout_us)
{
    struct timespec limit = {(time_t)(timeout_us / 1000000), (long)(timeout_us % 1000000) * 1000};
    int count = self->coarse ? -1 : epoll_pwait2(self->epoll, events, EVENTS_MAX, &limit, NULL);
    if (count < 0 && errno == ENOSYS) self->coarse = true;
    return self->coarse ? epoll_wait(self->epoll, events, EVENTS_MAX, (int)((timeout_us + 999) / 1000)) : count;
}

void client_wait(client_t *self, uint64_t timeout_us)
{
    struct epoll_event events[EVENTS_MAX];
    int count = wait_events(self, events, timeout_us);
    for (int i = 0; i < count; i++) {
        client_watch *watch = events[i].data.ptr;
        watch->fn(events[i].events, watch->arg);
    }
}
