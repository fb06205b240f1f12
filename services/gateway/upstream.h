/* SPDX-License-Identifier: Apache-2.0 */
/* A call over the bus on behalf of a request. What goes wrong becomes the request's answer, so that a handler only sees
 * replies. */
#ifndef MYKEY_GATEWAY_UPSTREAM_H
#define MYKEY_GATEWAY_UPSTREAM_H

#include "services/gateway/request.h"

typedef void upstream_fn(request_t *request, const ProtobufCMessage *reply);

typedef struct upstream_call {
    const char *service, *method;
    const ProtobufCMessageDescriptor *reply_type;
    const uint8_t *idempotency_key; /* NULL or 16 bytes; needed until upstream_send returns */
    bool repeatable;
    uint32_t timeout_max_ms; /* 0: all the time that the request has */
    upstream_fn *fn;         /* gives the request its answer or goes on */
} upstream_call;

void upstream_send(request_t *request, const upstream_call *call, const ProtobufCMessage *message);

#endif
