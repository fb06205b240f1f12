/* SPDX-License-Identifier: Apache-2.0 */
/* HTTPS to the two edge addresses, from the loop: kept-alive connections, client certificate, one pinned server
 * authority, no proxy unless set, the other edge when one does not answer. */
#ifndef MYKEY_AGENT_UPLINK_H
#define MYKEY_AGENT_UPLINK_H

#include <czmq.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/problem.h"

enum { UPLINK_BODY_MAX = 64 * 1024, UPLINK_CALLS_MAX = 8 };

typedef struct uplink uplink_t;

typedef struct uplink_options {
    const char *edge[2];   /* "https://host:port"; edge[1] may be "" */
    const char *server_ca; /* PEM file; nothing else is trusted */
    const char *proxy;     /* "" = none, whatever the environment says */
} uplink_options;

typedef struct uplink_request {
    const char *path;    /* "/v1/tap" */
    const uint8_t *body; /* NULL = GET; copied */
    size_t size;
    const char *gateway;  /* X-Mykey-Gateway, or NULL */
    const char *identity; /* PEM file of client key and certificate, or NULL */
    unsigned timeout_ms;  /* for each edge */
} uplink_request;

typedef struct uplink_answer {
    problem_t problem;   /* MK_OK; a row of the error table as the gateway said it; NETWORK_DOWN */
    int status;          /* of HTTP; 0 = no answer */
    const uint8_t *body; /* of a 2xx; valid during the callback */
    size_t size;
    char incident[33]; /* 32 hex digits or "" */
    char detail[33];   /* id of the rule that refused: a-z 0-9 _, or "" */
    uint32_t retry_after_ms;
    bool has_clock;
    int64_t clock_ahead_ms; /* our clock minus the gateway's, journey halved */
} uplink_answer;

typedef void uplink_answer_fn(const uplink_answer *answer, void *arg);

/* NULL when out of memory. */
uplink_t *uplink_new(zloop_t *loop, const uplink_options *options);
void uplink_destroy(uplink_t **self_p);

/* fn is called once, from the loop, never from inside this call. Returns an id for uplink_cancel, 0 if UPLINK_CALLS_MAX
 * are open (fn is then not called). */
unsigned uplink_send(uplink_t *self, const uplink_request *request, uplink_answer_fn *fn, void *arg);

/* fn will not be called. */
void uplink_cancel(uplink_t *self, unsigned id);

/* From now on connections are made with the identity file as it is now; the old ones are dropped. */
void uplink_renewed(uplink_t *self);

#endif
