/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/upstream.h"

#include "common/pb/pb.h"

typedef struct flight {
    request_t *request;
    const ProtobufCMessageDescriptor *reply_type;
    upstream_fn *fn;
} flight_t;

static void replied(const bus_reply *reply, void *arg)
{
    flight_t flight = *(flight_t *)arg;
    ProtobufCMessage *message = NULL;
    free(arg);
    if (reply->code != MK_OK) {
        request_fail(flight.request, reply->code, reply->detail, reply->retry_after_ms);
        return;
    }
    if (pb_unpack(flight.reply_type, reply->body, reply->body_size, &message) != MK_OK) {
        request_fail(flight.request, MK_INTERNAL, "reply_form", 0);
        return;
    }
    flight.fn(flight.request, message);
    pb_free(message);
}

static uint32_t timeout_of(const request_t *request, const upstream_call *call)
{
    uint32_t left_ms = request_remaining_ms(request);
    return call->timeout_max_ms > 0 && call->timeout_max_ms < left_ms ? call->timeout_max_ms : left_ms;
}

void upstream_send(request_t *request, const upstream_call *call, const ProtobufCMessage *message)
{
    uint32_t timeout_ms = timeout_of(request, call);
    if (timeout_ms == 0) {
        request_fail(request, MK_DEADLINE_EXCEEDED, NULL, 0);
        return;
    }
    flight_t *flight = zmalloc(sizeof *flight);
    *flight = (flight_t){request, call->reply_type, call->fn};
    bus_request out = {.service = call->service,
                       .method = call->method,
                       .timeout_ms = timeout_ms,
                       .repeatable = call->repeatable,
                       .idempotency_key = call->idempotency_key,
                       .idempotency_key_size = call->idempotency_key != NULL ? 16 : 0,
                       .traceparent = request_traceparent(request),
                       .message = message};
    bus_call(request_gateway(request)->bus, &out, replied, flight);
}
