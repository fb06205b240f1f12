/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request from its headers to its answer, without the HTTP library: admission, whose terminal it is, the
 * body's message, the handler, and the answer that the handler gives now or later, exactly once. */
#ifndef MYKEY_GATEWAY_REQUEST_H
#define MYKEY_GATEWAY_REQUEST_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/gateway/gateway.h"

enum { REQUEST_BODY_MAX = 64 * 1024, REQUEST_TRACE_SIZE = 33 };

typedef struct request request_t;
typedef struct route route_t;

/* ---- for the server ---- */

/* Called when the answer is there, unless it was there before request_run returned. */
typedef void request_answered_fn(void *arg);

typedef struct request_head {
    const char *http_method, *path;
    const char *edge_secret;   /* X-Mykey-Edge, or NULL */
    const char *client_sha256; /* X-Mykey-Client-Sha256, or NULL */
    const char *content_type;  /* or NULL */
} request_head;

/* Judges the headers. A refused request has its answer at once; its body, if any, is to be skipped. */
request_t *request_new(gateway_t *gateway, const request_head *head, request_answered_fn *answered, void *arg);
void request_destroy(request_t **self_p);

/* More of the body. Beyond REQUEST_BODY_MAX the answer is TOO_LARGE and the rest is dropped. */
void request_add_body(request_t *self, const char *data, size_t size);

/* The body announced is too large: answers TOO_LARGE, unless there is an answer. */
void request_refuse_body(request_t *self);

/* The body is complete: does what there is to do, unless there is an answer. */
void request_run(request_t *self);

typedef struct request_answer_view {
    int http_status;
    const uint8_t *body; /* lives as long as the request */
    size_t body_size;
    bool retry; /* a Retry-After belongs with it */
    uint32_t retry_after_ms;
} request_answer_view;

/* false while there is none. */
bool request_get_answer(const request_t *self, request_answer_view *ret_answer);

/* ---- for handlers ---- */

gateway_t *request_gateway(const request_t *self);
terminal_t *request_terminal(const request_t *self);            /* where the route needs one */
const ProtobufCMessage *request_message(const request_t *self); /* of the route's body type */
const char *request_trace(const request_t *self);               /* 32 hex digits */
const char *request_traceparent(const request_t *self);
uint32_t request_remaining_ms(const request_t *self); /* 0: too late */

/* Memory of the handler's that lives as long as the request: zeroed, one piece. */
void *request_make_state(request_t *self, size_t size);
void *request_state(const request_t *self);

/* What the request is about, for the log line of a refusal. Static. */
void request_set_purpose(request_t *self, const char *purpose);

/* The answer. The request may be gone afterwards. detail: id of what was wrong, never a value; may be NULL. */
void request_answer(request_t *self, const ProtobufCMessage *message);
void request_fail(request_t *self, mk_code code, const char *detail, uint32_t retry_after_ms);

#endif
