/* SPDX-License-Identifier: Apache-2.0 */
/* What all connections share: the edges' addresses, TLS settings, the epoll and buffers for bytes in passing. */
#ifndef MYKEY_LOAD_CLIENT_H
#define MYKEY_LOAD_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { CLIENT_EDGES_MAX = 2, CLIENT_OUT_MAX = 16 * 1024 };

typedef struct client_spec {
    const char *edges[CLIENT_EDGES_MAX]; /* HOST:PORT */
    unsigned edge_count;
    const char *server_ca; /* PEM file */
    bool resume;           /* resume TLS sessions on connections made again */
    uint64_t timeout_us;   /* of a connection being made and of an answer */
} client_spec;

typedef struct client_edge {
    char host[256];
    struct sockaddr_storage address;
    socklen_t address_size;
    bool is_ip;
} client_edge;

typedef struct client client_t;
typedef void client_event_fn(uint32_t events, void *arg);

/* Where events of a socket go; the owner of the socket keeps it. */
typedef struct client_watch {
    client_event_fn *fn;
    void *arg;
} client_watch;

/* NULL after saying on stderr what can't be used. */
client_t *client_new(const client_spec *spec);
void client_destroy(client_t **self_p);

const client_spec *client_get_spec(const client_t *self);
const client_edge *client_get_edge(const client_t *self, unsigned index);
SSL_CTX *client_tls(const client_t *self);

/* Room for CLIENT_OUT_MAX bytes of one request, and for ANSWER_MAX + 1 of one answer; both are anybody's again after
 * the next call of a connection. */
uint8_t *client_out(client_t *self);
uint8_t *client_in(client_t *self);

/* Level-triggered; operation is EPOLL_CTL_ADD or EPOLL_CTL_MOD. Closing the socket ends it. */
bool client_watch_socket(client_t *self, int operation, int fd, uint32_t events, client_watch *watch);

/* Waits for events for at most this time and hands them out. */
void client_wait(client_t *self, uint64_t timeout_us);

#endif
