/* SPDX-License-Identifier: Apache-2.0 */
/* One kept-alive connection of one terminal to an edge: TLS, one request at a time, its answer. */
#ifndef MYKEY_LOAD_LINE_H
#define MYKEY_LOAD_LINE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/load/answer.h"
#include "tools/load/client.h"
#include "tools/load/terminals.h"

typedef enum line_fault {
    LINE_DROPPED, /* ended by the peer while nothing was under way */
    LINE_NETWORK, /* not reached, or broken during a request */
    LINE_TIMEOUT,
    LINE_HTTP /* bytes that are no answer, or that nobody asked for */
} line_fault;

/* Called from line_send, line_expire and client_wait. None of them may destroy the line; answer may not send on it. */
typedef struct line_handler {
    void (*up)(void *arg);
    void (*answer)(const answer_t *answer, void *arg); /* gone when it returns */
    void (*lost)(line_fault fault, void *arg);         /* closed; a request under way gets no answer */
} line_handler;

typedef struct line_request {
    const char *method, *path;
    const char *gateway;             /* X-Mykey-Gateway; NULL: none */
    const ProtobufCMessage *message; /* NULL: no body */
} line_request;

typedef struct line line_t;

/* Closed at first. client, terminal and handler outlive it. edge: where it goes at first; after a fault the other. */
line_t *line_new(client_t *client, const terminal_t *terminal, unsigned edge, const line_handler *handler, void *arg);
void line_destroy(line_t **self_p);

/* Begins to connect; up or lost follows. */
void line_open(line_t *self);

/* Says goodbye and closes; calls nothing. Harmless when closed. */
void line_close(line_t *self);

/* In one write; answer or lost follows. Only while up and with nothing under way. */
void line_send(line_t *self, const line_request *request);

/* Ends with LINE_TIMEOUT what takes too long. */
void line_expire(line_t *self, uint64_t now_us);

#endif
