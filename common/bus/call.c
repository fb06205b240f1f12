/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: sending, answers, deadlines, going through the other broker after a loss, coming again after BUSY. */
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/bus/bus_own.h"
#include "common/pb/pb.h"

enum { MOVES_MAX = 2, RETRIES_MAX = 3, HOP_MS = 10, RETRY_MIN_MS = 10 };

typedef struct call {
    bus_list link_node; /* link->calls, peer->refused or peer->resting */
    bus_map_node by_id;
    bus_heap_node deadline, retry; /* retry: resting after BUSY until then */
    bus_peer_t *peer;
    bus_link *link; /* NULL: at none */
    bus_route *route;
    const bus_link *only; /* NULL = either */
    uint64_t id, started_us;
    bus_reply_fn *fn;
    void *arg;
    zmq_msg_t msg; /* as first sent; sent again after a loss */
    bool repeatable, maybe_run, probe;
    unsigned moves, retries;
    mk_code refusal;
    uint32_t retry_after_ms; /* of the refusal */
    char service[BUS_SERVICE_MAX + 1], method[BUS_METHOD_MAX + 1];
} call;

static call *find(const bus_peer_t *self, uint64_t id)
{
    uint64_t hash = bus_hash(3, &id, sizeof id);
    for (bus_map_node *node = NULL; (node = bus_map_find(&self->calls, hash, node));) {
        call *one = BUS_OWNER(node, call, by_id);
        if (one->id == id) return one;
    }
    return NULL;
}

/* ---- states: at a link, or refused, or done ---- */

static void leave_link(call *self)
{
    bus_list_remove(&self->link_node);
    if (self->link) self->link->call_count--;
    self->link = NULL;
}

static void enter_link(call *self, bus_link *link)
{
    leave_link(self);
    self->link = link;
    link->call_count++;
    bus_list_push(&link->calls, &self->link_node);
}

static void forget(call *self)
{
    leave_link(self);
    if (self->id) bus_map_remove(&self->peer->calls, &self->by_id);
    bus_heap_remove(&self->peer->deadlines, &self->deadline);
    bus_heap_remove(&self->peer->retries, &self->retry);
    if (self->probe) bus_route_abandoned(self->route);
    self->probe = false;
}

static void call_free(call *self)
{
    zmq_msg_close(&self->msg);
    free(self);
}

static void count(const call *self, mk_code code)
{
    const bus_metrics *m = &self->peer->metrics;
    if (!self->peer->has_metrics) return;
    metric_add(m->calls, 1, self->service, self->method, mk_code_name(code), NULL);
    double seconds = (double)(clock_mono_us() - self->started_us) / 1e6;
    metric_observe(m->call_time, seconds, self->service, self->method, NULL, NULL);
}

static void finish(call *self, const bus_reply *reply)
{
    forget(self);
    count(self, reply->code);
    self->fn(reply, self->arg);
    call_free(self);
}

static void finish_local(call *self, mk_code code, bus_executed executed)
{
    finish(self, &(bus_reply){.code = code, .executed = executed, .detail = ""});
}

/* ---- links ---- */

static bool may_use(const call *self, const bus_link *link, const bus_link *not_this)
{
    return link->state == LINK_UP && link != not_this && (!self->only || self->only == link);
}

static bus_link *best_link(const call *self, const bus_link *not_this)
{
    bus_link *best = NULL;
    for (int i = 0; i < BUS_LINKS; i++) {
        bus_link *link = &self->peer->links[i];
        if (may_use(self, link, not_this) && (!best || link->call_count < best->call_count)) best = link;
    }
    return best;
}

static uint32_t remaining_ms(const call *self)
{
    uint64_t now = clock_mono_us();
    return self->deadline.when_us > now ? (uint32_t)((self->deadline.when_us - now) / 1000) : 0;
}

/* Time that a hop takes is left for the answer's way back, so that the broker's word on a late call comes in time. */
static uint32_t less_one_hop(uint32_t ms)
{
    uint32_t hop = ms / 10 < HOP_MS ? ms / 10 : HOP_MS;
    return ms - hop ? ms - hop : 1;
}

/* The same call with the time that is left and the next attempt number. */
static mk_code build_again(const call *self, zmq_msg_t *msg)
{
    bus_frame frame;
    bus_header header;
    MK_TRY(bus_frame_parse(zmq_msg_data((zmq_msg_t *)&self->msg), zmq_msg_size(&self->msg), &frame));
    MK_TRY(bus_header_decode(frame.header.data, frame.header.size, &header, NULL));
    header.timeout_ms = less_one_hop(remaining_ms(self));
    header.attempt = self->moves + self->retries;
    return bus_frame_build(msg, BUS_CALL, &header, frame.body);
}

static bool send_again(call *self, bus_link *link)
{
    zmq_msg_t msg;
    if (build_again(self, &msg) != MK_OK) return false;
    bus_sent sent = link_send_msg(link, &msg);
    if (sent == BUS_GONE || sent == BUS_FULL) return false;
    enter_link(self, link);
    return true;
}

static bool move(call *self)
{
    bus_link *link = best_link(self, self->link);
    if (!link || self->moves >= MOVES_MAX || !remaining_ms(self)) return false;
    self->moves++;
    if (!send_again(self, link)) return false;
    if (self->peer->has_metrics) metric_inc(self->peer->metrics.resent);
    return true;
}

/* The broker is lost: what may run twice goes through the other, the rest ends, perhaps executed. */
void bus_calls_lost(bus_link *link)
{
    bus_list orphans;
    bus_list_init(&orphans);
    for (bus_list *node; (node = bus_list_pop(&link->calls));) bus_list_push(&orphans, node);
    for (bus_list *node; (node = bus_list_first(&orphans));) {
        call *one = BUS_OWNER(node, call, link_node);
        one->maybe_run = true;
        if (!one->repeatable || !move(one)) finish_local(one, MK_UNAVAILABLE, BUS_EXECUTED_UNKNOWN);
    }
}

/* ---- after BUSY ---- */

/* Half to one and a half of what the broker named, so that those who were refused together don't come together. */
static uint32_t rest_ms(const call *self, uint32_t named_ms)
{
    uint32_t ms = named_ms < RETRY_MIN_MS ? RETRY_MIN_MS : named_ms, random;
    bus_random(self->peer, (uint8_t *)&random, sizeof random);
    return ms / 2 + random % (ms + 1);
}

/* There was no room and it was not run: it is asked again while there is time and budget. */
static bool rest(call *self, const bus_header *header)
{
    bus_peer_t *peer = self->peer;
    if (header->code != MK_BUSY || header->executed != BUS_EXECUTED_NO || self->retries >= RETRIES_MAX) return false;
    uint32_t ms = rest_ms(self, header->retry_after_ms);
    if (ms >= remaining_ms(self) || !bus_route_spend_retry(self->route)) return false;
    self->retries++;
    leave_link(self);
    bus_list_push(&peer->resting, &self->link_node);
    bus_heap_set(&peer->retries, &self->retry, clock_mono_us() + ms * 1000ull);
    bus_alarm_at(&peer->alarm, self->retry.when_us);
    if (peer->has_metrics) metric_add(peer->metrics.retries, 1, self->service, self->method, NULL, NULL);
    return true;
}

void bus_calls_retry(bus_peer_t *self)
{
    uint64_t now = clock_mono_us();
    for (bus_heap_node *node; (node = bus_heap_first(&self->retries)) && node->when_us <= now;) {
        call *one = BUS_OWNER(node, call, retry);
        bus_link *link = best_link(one, NULL);
        bus_heap_remove(&self->retries, node);
        if (!link || !send_again(one, link))
            finish_local(one, MK_UNAVAILABLE, one->maybe_run ? BUS_EXECUTED_UNKNOWN : BUS_EXECUTED_NO);
    }
}

/* ---- the breaker ---- */

static void show_breaker(const call *self)
{
    unsigned open = 0;
    if (!self->peer->has_metrics) return;
    BUS_LIST_EACH(node, &self->peer->routes.all)
    {
        const bus_route *route = BUS_OWNER(node, bus_route, all);
        bool same = strcmp(route->service, self->service) == 0 && strcmp(route->method, self->method) == 0;
        open += same && bus_route_is_open(route);
    }
    metric_set(self->peer->metrics.breakers, open, self->service, self->method, NULL, NULL);
}

static void learn(call *self, mk_code code, bus_executed executed)
{
    bool changed = bus_route_answered(self->route, self->probe, code, executed, clock_mono_us());
    self->probe = false;
    if (changed) show_breaker(self);
}

/* ---- answers ---- */

/* Refused by this broker, certainly not run: the other one may have what this one lacks. */
static bool worth_moving(const bus_header *header)
{
    return header->executed == BUS_EXECUTED_NO && (header->code == MK_UNAVAILABLE || header->code == MK_NO_WORKERS);
}

static bus_executed executed_of(const call *self, const bus_header *header)
{
    if (header->executed == BUS_EXECUTED_NO && self->maybe_run) return BUS_EXECUTED_UNKNOWN;
    return header->executed ? (bus_executed)header->executed : BUS_EXECUTED_UNKNOWN;
}

void bus_calls_reply(bus_link *link, const bus_header *header, bus_slice body)
{
    call *one = header->tag ? find(link->peer, header->tag) : NULL;
    if (!one || one->link != link) {
        bus_drop(link->peer, "late_reply");
        return;
    }
    if (worth_moving(header) && move(one)) return;
    learn(one, header->code, (bus_executed)header->executed);
    if (rest(one, header)) return;
    char detail[129];
    bus_slice_copy(header->detail, detail, sizeof detail);
    finish(one, &(bus_reply){.code = mk_code_find(header->code)->code,
                             .executed = executed_of(one, header),
                             .retry_after_ms = header->retry_after_ms,
                             .detail = detail,
                             .body = body.data,
                             .body_size = body.size});
}

void bus_calls_expire(bus_peer_t *self)
{
    uint64_t now = clock_mono_us();
    for (bus_heap_node *node; (node = bus_heap_first(&self->deadlines)) && node->when_us <= now;) {
        call *one = BUS_OWNER(node, call, deadline);
        learn(one, MK_DEADLINE_EXCEEDED, BUS_EXECUTED_UNKNOWN);
        finish_local(one, MK_DEADLINE_EXCEEDED, BUS_EXECUTED_UNKNOWN);
    }
}

void bus_calls_tell(bus_peer_t *self)
{
    for (bus_list *node; (node = bus_list_first(&self->refused));) {
        call *one = BUS_OWNER(node, call, link_node);
        finish(one, &(bus_reply){.code = one->refusal,
                                 .executed = BUS_EXECUTED_NO,
                                 .retry_after_ms = one->retry_after_ms,
                                 .detail = one->retry_after_ms ? "breaker" : ""});
    }
}

void bus_calls_free(bus_peer_t *self)
{
    for (bus_list *node; (node = bus_list_pop(&self->refused));) call_free(BUS_OWNER(node, call, link_node));
    for (bus_list *node; (node = bus_list_pop(&self->resting));) call_free(BUS_OWNER(node, call, link_node));
    for (int i = 0; i < BUS_LINKS; i++)
        for (bus_list *node; (node = bus_list_pop(&self->links[i].calls));) call_free(BUS_OWNER(node, call, link_node));
}

/* ---- making a call ---- */

static bool text_fits(const char *text, size_t max)
{
    return text && *text && strlen(text) <= max;
}

static mk_code check(const bus_peer_t *self, const bus_request *request)
{
    MK_ENSURE(text_fits(request->service, BUS_SERVICE_MAX), MK_BAD_REQUEST);
    MK_ENSURE(text_fits(request->method, BUS_METHOD_MAX), MK_BAD_REQUEST);
    MK_ENSURE(request->timeout_ms >= 1 && request->timeout_ms <= BUS_TIMEOUT_MAX_MS, MK_BAD_REQUEST);
    MK_ENSURE(!request->broker || bus_link_named(self, request->broker), MK_BAD_REQUEST);
    MK_ENSURE(!request->idempotency_key || request->idempotency_key_size <= 32, MK_BAD_REQUEST);
    const char *trace = request->traceparent;
    MK_ENSURE(!trace || strlen(trace) == BUS_TRACEPARENT_SIZE, MK_BAD_REQUEST);
    return MK_OK;
}

static void new_trace(bus_peer_t *self, char trace[BUS_TRACEPARENT_SIZE + 1])
{
    uint8_t random[24];
    char hex[49];
    bus_random(self, random, sizeof random);
    bytes_to_hex(random, sizeof random, hex);
    snprintf(trace, BUS_TRACEPARENT_SIZE + 1, "00-%.32s-%.16s-01", hex, hex + 32);
}

static mk_code build_first(call *one, const bus_request *request, bus_slice body)
{
    char trace[BUS_TRACEPARENT_SIZE + 1];
    uint8_t request_id[BUS_ID_SIZE];
    if (!request->traceparent) new_trace(one->peer, trace);
    if (!request->request_id) bus_random(one->peer, request_id, sizeof request_id);
    const uint8_t *id = request->request_id ? request->request_id : request_id;
    bus_header header = {
        .service = bus_slice_text(request->service),
        .method = bus_slice_text(request->method),
        .request_id = {id, BUS_ID_SIZE},
        .idempotency_key = {request->idempotency_key, request->idempotency_key ? request->idempotency_key_size : 0},
        .timeout_ms = less_one_hop(request->timeout_ms),
        .traceparent = bus_slice_text(request->traceparent ? request->traceparent : trace),
        .priority = request->batch ? BUS_PRIORITY_BATCH : BUS_PRIORITY_INTERACTIVE,
        .api_major = request->api_major ? request->api_major : 1,
        .shard = request->shard,
        .repeatable = request->repeatable,
        .tag = one->id,
    };
    return bus_frame_build(&one->msg, BUS_CALL, &header, body);
}

static call *call_new(bus_peer_t *self, const bus_request *request, bus_reply_fn *fn, void *arg)
{
    call *one = calloc(1, sizeof *one);
    if (!one) abort();
    one->peer = self;
    one->fn = fn;
    one->arg = arg;
    one->id = ++self->last_id;
    one->started_us = clock_mono_us();
    one->repeatable = request->repeatable || request->idempotency_key;
    if (request->broker) one->only = bus_link_named(self, request->broker);
    bus_slice_copy(bus_slice_text(request->service), one->service, sizeof one->service);
    bus_slice_copy(bus_slice_text(request->method), one->method, sizeof one->method);
    zmq_msg_init(&one->msg);
    return one;
}

static mk_code build(call *one, const bus_request *request)
{
    if (!request->message) return build_first(one, request, (bus_slice){request->body, request->body_size});
    size_t size;
    uint8_t *packed = pb_pack(request->message, &size);
    mk_code code = build_first(one, request, (bus_slice){packed, size});
    free(packed);
    return code;
}

static mk_code send_first(call *one)
{
    bus_link *link = best_link(one, NULL);
    MK_ENSURE(link, MK_UNAVAILABLE);
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    zmq_msg_copy(&copy, &one->msg);
    bus_sent sent = link_send_msg(link, &copy);
    MK_ENSURE(sent != BUS_GONE, MK_UNAVAILABLE);
    MK_ENSURE(sent != BUS_FULL, MK_BUSY);
    enter_link(one, link);
    return MK_OK;
}

/* UNAVAILABLE while the method's breaker is open; retry_after_ms: until somebody may try. */
static mk_code enter_route(call *one, const bus_request *request)
{
    uint64_t now = one->started_us;
    one->route = bus_routes_get(&one->peer->routes, one->service, one->method, request->shard);
    route_entry entry = bus_route_enter(one->route, now);
    one->probe = entry == ROUTE_PROBE;
    if (entry != ROUTE_OPEN) return MK_OK;
    uint64_t until = one->route->open_until_us;
    one->retry_after_ms = until > now ? (uint32_t)((until - now) / 1000) + 1 : ROUTE_PAUSE_MIN_MS;
    return MK_UNAVAILABLE;
}

static uint64_t refuse(call *one, mk_code code)
{
    one->id = 0;
    one->refusal = code;
    bus_list_push(&one->peer->refused, &one->link_node);
    bus_later(one->peer);
    return 0;
}

uint64_t bus_call(bus_peer_t *self, const bus_request *request, bus_reply_fn *fn, void *arg)
{
    call *one = call_new(self, request, fn, arg);
    mk_code code = check(self, request);
    if (code == MK_OK) code = enter_route(one, request);
    if (code == MK_OK) code = build(one, request);
    if (code == MK_OK) code = send_first(one);
    if (code != MK_OK) return refuse(one, code);
    uint64_t deadline = one->started_us + request->timeout_ms * 1000ull;
    bus_map_add(&self->calls, &one->by_id, bus_hash(3, &one->id, sizeof one->id));
    bus_heap_set(&self->deadlines, &one->deadline, deadline);
    bus_alarm_at(&self->alarm, deadline);
    return one->id;
}

void bus_cancel(bus_peer_t *self, uint64_t call_id)
{
    call *one = call_id ? find(self, call_id) : NULL;
    if (!one) return;
    bus_frame frame;
    bus_header header;
    if (one->link && bus_frame_parse(zmq_msg_data(&one->msg), zmq_msg_size(&one->msg), &frame) == MK_OK &&
        bus_header_decode(frame.header.data, frame.header.size, &header, NULL) == MK_OK) {
        bus_header cancel = {.tag = header.tag, .request_id = header.request_id};
        (void)link_send(one->link, BUS_CANCEL, &cancel, (bus_slice){NULL, 0});
    }
    forget(one);
    call_free(one);
}

unsigned bus_calls_outstanding(const bus_peer_t *self)
{
    return (unsigned)self->calls.count;
}
