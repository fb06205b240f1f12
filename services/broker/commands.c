/* SPDX-License-Identifier: Apache-2.0 */
/* What each command of a peer does, and how the exchange's wishes become messages. */
#include <string.h>

#include "common/log/log.h"
#include "services/broker/broker_own.h"

static const bus_slice no_body = {NULL, 0};

void broker_drop(broker_t *self, const char *reason)
{
    metric_add(self->metrics.dropped, 1, reason, NULL, NULL, NULL);
}

void broker_send(broker_t *self, peer_t *peer, bus_command command, const bus_header *header)
{
    if (peers_send(&self->peers, peer, command, header, no_body) == BUS_FULL) broker_drop(self, "outbox_full");
}

/* ---- the exchange speaks ---- */

static uint32_t clamp_us(uint64_t us)
{
    return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static uint32_t remaining_ms(const broker_t *self, const request_t *request)
{
    uint64_t now = self->exchange->now_us;
    return request->deadline_us > now ? (uint32_t)((request->deadline_us - now + 999) / 1000) : 1;
}

bus_sent broker_dispatch(void *ctx, worker_t *worker, request_t *request, uint64_t tag)
{
    broker_t *self = ctx;
    bus_header header = request->header;
    header.tag = tag;
    header.caller = bus_slice_text(request->caller->name); /* whatever the caller wrote there */
    header.timeout_ms = remaining_ms(self, request);
    header.queue_us = clamp_us(self->exchange->now_us - request->received_us);
    header.credit = header.code = header.retry_after_ms = header.executed = header.work_us = 0;
    header.api_major_count = header.shard_count = 0;
    header.instance = header.server_instance = header.detail = no_body;
    return peers_send(&self->peers, worker->peer, BUS_DISPATCH, &header, request->body);
}

void broker_cancel(void *ctx, worker_t *worker, request_t *request, uint64_t tag)
{
    bus_header header = {.tag = tag, .request_id = request->header.request_id};
    broker_send(ctx, worker->peer, BUS_CANCEL, &header);
}

void broker_worker_dropped(void *ctx, worker_t *worker)
{
    (void)ctx;
    log_info("worker_gone", LOG_TEXT(SERVICE, worker->service->name));
}

static void reply_header(const broker_t *self, const request_t *request, const exchange_answer *answer,
                         bus_header *header)
{
    memset(header, 0, offsetof(bus_header, extra));
    header->tag = request->header.tag;
    header->request_id = request->header.request_id;
    header->code = answer->code;
    header->executed = answer->executed;
    header->retry_after_ms = answer->retry_after_ms;
    header->detail = bus_slice_text(answer->detail);
    header->server_instance = bus_slice_text(self->options.instance);
    if (!answer->header) return;
    header->detail = answer->header->detail;
    header->server_instance = answer->header->server_instance;
    header->work_us = answer->header->work_us;
    header->queue_us = clamp_us(request->dispatched_us - request->received_us);
    header->extra_count = answer->header->extra_count;
    memcpy(header->extra, answer->header->extra, header->extra_count * sizeof *header->extra);
}

void broker_answer(void *ctx, request_t *request, const exchange_answer *answer)
{
    broker_t *self = ctx;
    broker_count_answer(self, request, answer);
    if (!request->client) return;
    bus_header header;
    reply_header(self, request, answer, &header);
    if (peers_send(&self->peers, request->client, BUS_REPLY, &header, answer->body) == BUS_FULL)
        broker_drop(self, "outbox_full");
}

/* ---- calls ---- */

/* An error to a CALL that did not become a request; says what it can about which one. */
static void refuse_raw(broker_t *self, peer_t *peer, zmq_msg_t *msg, mk_code code)
{
    bus_frame frame;
    bus_header header = {0}, reply = {.code = code, .executed = BUS_EXECUTED_NO};
    mk_code parsed = bus_frame_parse(zmq_msg_data(msg), zmq_msg_size(msg), &frame);
    reply.detail = bus_slice_text(code == MK_TOO_LARGE ? "body" : "header");
    if ((parsed == MK_OK || parsed == MK_TOO_LARGE) &&
        bus_header_decode(frame.header.data, frame.header.size, &header, NULL) == MK_OK) {
        reply.tag = header.tag;
        reply.request_id = header.request_id;
    }
    broker_drop(self, code == MK_TOO_LARGE ? "too_large" : "bad_call");
    broker_send(self, peer, BUS_REPLY, &reply);
}

static void deny(broker_t *self, request_t *request)
{
    metric_add(self->metrics.denied, 1, request->caller->name, NULL, NULL, NULL);
    log_warn("call_denied", LOG_TEXT(CALLER, request->caller->name));
    exchange_finish(self->exchange, request,
                    &(exchange_answer){.code = MK_DENIED, .executed = BUS_EXECUTED_NO, .detail = "call"});
}

static void on_call(broker_t *self, peer_t *peer, zmq_msg_t *msg, const bus_frame *frame)
{
    mk_code code;
    (void)frame;
    request_t *request = request_new(msg, &code);
    if (!request) {
        refuse_raw(self, peer, msg, code);
        return;
    }
    request->caller = acl_principal(peer->entry);
    request->client = peer;
    request->received_us = self->exchange->now_us;
    bus_list_push(&peer->requests, &request->client_link);
    if (!acl_may_call(peer->entry, request->header.service, request->header.method))
        deny(self, request);
    else if (bus_slice_is(request->header.service, "bus"))
        introspect_serve(self, request);
    else if (exchange_call(self->exchange, request) == EXCHANGE_DUPLICATE)
        broker_drop(self, "duplicate");
}

static request_t *own_request(const peer_t *peer, const bus_header *header)
{
    BUS_LIST_EACH(node, &peer->requests)
    {
        request_t *request = BUS_OWNER(node, request_t, client_link);
        if (request->header.tag == header->tag && bus_slice_same(request->header.request_id, header->request_id))
            return request;
    }
    return NULL;
}

static void on_cancel(broker_t *self, peer_t *peer, const bus_header *header)
{
    request_t *request = own_request(peer, header);
    if (request) exchange_cancel(self->exchange, request);
}

/* ---- workers ---- */

static worker_t *own_worker(const peer_t *peer, bus_slice service)
{
    BUS_LIST_EACH(node, &peer->workers)
    {
        worker_t *worker = BUS_OWNER(node, worker_t, peer_link);
        if (worker->state != WORKER_GONE && bus_slice_is(service, worker->service->name)) return worker;
    }
    return NULL;
}

static void deny_serving(broker_t *self, peer_t *peer, const bus_header *header, mk_code code)
{
    bus_header reply = {.code = code, .service = header->service, .detail = bus_slice_text("serve")};
    metric_add(self->metrics.denied, 1, acl_principal(peer->entry)->name, NULL, NULL, NULL);
    log_warn("serve_denied", LOG_TEXT(CALLER, acl_principal(peer->entry)->name), LOG_TEXT(CODE, mk_code_name(code)));
    broker_send(self, peer, BUS_REJECT, &reply);
}

static void on_ready(broker_t *self, peer_t *peer, const bus_header *header)
{
    service_t *service = exchange_find_service(self->exchange, header->service);
    if (!service || !acl_may_serve(peer->entry, header->service)) {
        deny_serving(self, peer, header, MK_DENIED);
        return;
    }
    worker_offer offer = {header, peer};
    worker_t *again = own_worker(peer, header->service);
    worker_t *worker = exchange_ready(self->exchange, service, again, &offer);
    if (!worker) deny_serving(self, peer, header, MK_BUSY);
    if (worker && !again) {
        bus_list_push(&peer->workers, &worker->peer_link);
        log_info("worker_ready", LOG_TEXT(SERVICE, service->name), LOG_TEXT(CALLER, acl_principal(peer->entry)->name));
    }
    exchange_settle(self->exchange);
}

static void on_credit(broker_t *self, peer_t *peer, const bus_header *header)
{
    worker_t *worker = own_worker(peer, header->service);
    if (worker)
        exchange_credit(self->exchange, worker, header->credit);
    else
        broker_drop(self, "no_worker");
}

static worker_t *worker_of_tag(broker_t *self, peer_t *peer, const bus_header *header)
{
    worker_t *worker = exchange_worker_of(self->exchange, header->tag);
    return worker && worker->peer == peer ? worker : NULL;
}

static void on_reply(broker_t *self, peer_t *peer, const bus_header *header, bus_slice body)
{
    worker_t *worker = worker_of_tag(self, peer, header);
    if (!worker || !exchange_reply(self->exchange, worker, header, body)) broker_drop(self, "late_reply");
}

static void on_reject(broker_t *self, peer_t *peer, const bus_header *header)
{
    worker_t *worker = worker_of_tag(self, peer, header);
    if (!worker || !exchange_reject(self->exchange, worker, header)) broker_drop(self, "late_reply");
}

static void on_drain(broker_t *self, peer_t *peer, const bus_header *header)
{
    worker_t *worker = own_worker(peer, header->service);
    if (worker) exchange_drain_worker(self->exchange, worker);
}

static void on_bye(broker_t *self, peer_t *peer, const bus_header *header)
{
    worker_t *worker = own_worker(peer, header->service);
    if (worker) exchange_lose(self->exchange, worker, LOSS_BYE);
}

static void on_ping(broker_t *self, peer_t *peer)
{
    broker_send(self, peer, self->draining ? BUS_GOAWAY : BUS_PONG, NULL);
}

static void take_with_header(broker_t *self, peer_t *peer, const bus_frame *frame)
{
    bus_header header;
    bus_shard shards[BUS_SHARDS_MAX];
    if (bus_header_decode(frame->header.data, frame->header.size, &header, shards) != MK_OK) {
        broker_drop(self, "header");
        return;
    }
    switch (frame->command) {
    case BUS_CANCEL: on_cancel(self, peer, &header); break;
    case BUS_READY: on_ready(self, peer, &header); break;
    case BUS_CREDIT: on_credit(self, peer, &header); break;
    case BUS_REPLY: on_reply(self, peer, &header, frame->body); break;
    case BUS_REJECT: on_reject(self, peer, &header); break;
    case BUS_DRAIN: on_drain(self, peer, &header); break;
    case BUS_BYE: on_bye(self, peer, &header); break;
    case BUS_PING: on_ping(self, peer); break;
    case BUS_PONG: break;
    default: broker_drop(self, "command"); break;
    }
}

void broker_take(broker_t *self, peer_t *peer, zmq_msg_t *msg)
{
    bus_frame frame;
    mk_code code = bus_frame_parse(zmq_msg_data(msg), zmq_msg_size(msg), &frame);
    if (code == MK_TOO_LARGE && frame.command == BUS_CALL)
        refuse_raw(self, peer, msg, code);
    else if (code != MK_OK)
        broker_drop(self, "frame");
    else if (frame.command == BUS_CALL)
        on_call(self, peer, msg, &frame);
    else
        take_with_header(self, peer, &frame);
}

/* ---- the end of a connection ---- */

void broker_bury(broker_t *self, peer_t *peer)
{
    peer->gone = true;
    BUS_LIST_EACH(node, &peer->workers)
    worker_mark_gone(self->exchange, BUS_OWNER(node, worker_t, peer_link), LOSS_DEAD);
    exchange_settle(self->exchange);
    for (bus_list *node; (node = bus_list_first(&peer->requests));)
        exchange_client_gone(self->exchange, BUS_OWNER(node, request_t, client_link));
    peers_remove(&self->peers, peer);
}
