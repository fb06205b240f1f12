/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: admission, states, answers, deadlines. */
#include "services/broker/exchange.h"

#include <stdlib.h>
#include <string.h>

enum { REFUSALS_MAX = 4 }; /* NOT_OWNER and REJECT that one request may meet */

exchange_t *exchange_new(const exchange_port *port, const exchange_limits *limits)
{
    exchange_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    self->port = *port;
    self->limits = *limits;
    bus_map_init(&self->requests);
    bus_list_init(&self->gone);
    return self;
}

static void service_destroy(exchange_t *self, service_t *service)
{
    BUS_LIST_EACH(node, &service->workers) worker_mark_gone(self, BUS_OWNER(node, worker_t, link), LOSS_REVOKED);
    exchange_settle(self);
    for (bus_list *node; (node = bus_list_first(&service->waiting));)
        exchange_finish(self, BUS_OWNER(node, request_t, link),
                        &(exchange_answer){.code = MK_UNAVAILABLE, .executed = BUS_EXECUTED_NO});
    bus_map_free(&service->lanes);
    free(service);
}

void exchange_destroy(exchange_t **self_p)
{
    exchange_t *self = *self_p;
    if (!self) return;
    for (unsigned i = 0; i < self->service_count; i++) service_destroy(self, self->services[i]);
    bus_map_free(&self->requests);
    bus_heap_free(&self->expiries);
    free(self);
    *self_p = NULL;
}

void exchange_set_time(exchange_t *self, uint64_t now_us)
{
    self->now_us = now_us;
}

service_t *exchange_find_service(const exchange_t *self, bus_slice name)
{
    for (unsigned i = 0; i < self->service_count; i++)
        if (bus_slice_is(name, self->services[i]->name)) return self->services[i];
    return NULL;
}

void exchange_add_service(exchange_t *self, const char *name)
{
    if (self->service_count == EXCHANGE_SERVICES_MAX || exchange_find_service(self, bus_slice_text(name))) return;
    service_t *service = calloc(1, sizeof *service);
    if (!service) abort();
    bus_slice_copy(bus_slice_text(name), service->name, sizeof service->name);
    bus_list_init(&service->workers);
    bus_list_init(&service->waiting);
    bus_map_init(&service->lanes);
    self->services[self->service_count++] = service;
}

/* ---- a request's life ---- */

static mk_code read_request(request_t *self)
{
    bus_frame frame;
    MK_TRY(bus_frame_parse(zmq_msg_data(&self->msg), zmq_msg_size(&self->msg), &frame));
    MK_TRY(bus_header_decode(frame.header.data, frame.header.size, &self->header, NULL));
    self->body = frame.body;
    const bus_header *header = &self->header;
    MK_ENSURE(header->service.size && header->method.size && header->request_id.size, MK_BAD_REQUEST);
    MK_ENSURE(header->timeout_ms >= 1 && header->timeout_ms <= BUS_TIMEOUT_MAX_MS, MK_BAD_REQUEST);
    if (!self->header.api_major) self->header.api_major = 1;
    self->repeatable = header->repeatable || header->idempotency_key.size;
    self->batch = header->priority == BUS_PRIORITY_BATCH;
    return MK_OK;
}

request_t *request_new(zmq_msg_t *msg, mk_code *ret_code)
{
    request_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    zmq_msg_init(&self->msg);
    zmq_msg_move(&self->msg, msg);
    *ret_code = read_request(self);
    if (*ret_code == MK_OK) return self;
    zmq_msg_move(msg, &self->msg);
    request_free(self);
    return NULL;
}

void request_free(request_t *self)
{
    bus_list_remove(&self->client_link);
    zmq_msg_close(&self->msg);
    free(self);
}

static bool is_queued(request_state state)
{
    return state == REQUEST_WAITING || state == REQUEST_QUEUED;
}

static void count_queued(request_t *request, int sign)
{
    service_t *service = request->service;
    service->queued += (uint32_t)sign; /* NOLINT(clang-analyzer-core.NullDereference): set since it was made */
    service->queued_by[request->caller->index] += (uint32_t)sign;
    service->queued_bytes += (uint64_t)((int64_t)sign * (int64_t)zmq_msg_size(&request->msg));
}

static void leave_state(request_t *request)
{
    bus_list_remove(&request->link);
    if (is_queued(request->state)) count_queued(request, -1);
    if (request->state != REQUEST_IN_FLIGHT) return;
    request->service->in_flight--;
    request->worker->slots[request->slot].request = NULL;
    request->worker = NULL;
}

/* The only function that changes a request's state; list NULL for DONE. */
void request_move(exchange_t *self, request_t *request, request_state state, bus_list *list, bool front)
{
    worker_t *worker = request->worker;
    leave_state(request);
    if (list && front) bus_list_push_front(list, &request->link);
    if (list && !front) bus_list_push(list, &request->link);
    request->state = state;
    if (is_queued(state)) count_queued(request, 1);
    if (state == REQUEST_IN_FLIGHT) {
        request->worker = worker;
        request->service->in_flight++;
    }
    (void)self;
}

uint32_t request_executed(const request_t *request)
{
    return request->losses ? BUS_EXECUTED_UNKNOWN : BUS_EXECUTED_NO;
}

static void set_expiry(exchange_t *self, request_t *request, uint64_t when_us)
{
    bus_heap_set(&self->expiries, &request->expiry, when_us < request->deadline_us ? when_us : request->deadline_us);
}

/* Puts the request where its workers look for it, or lets it wait for one. */
void request_route(exchange_t *self, request_t *request, bool front)
{
    lane_t *lane = lane_for(request->service, request->header.api_major, request->header.shard);
    if (lane && lane_offers(lane, request)) {
        request_move(self, request, REQUEST_QUEUED, &lane->queue[request->batch], front);
        set_expiry(self, request, request->deadline_us);
        lane_pump(self, lane);
        return;
    }
    bool waits = request->state == REQUEST_WAITING;
    request_move(self, request, REQUEST_WAITING, &request->service->waiting, front);
    if (!waits) set_expiry(self, request, self->now_us + self->limits.grace_us);
}

static void count_done(exchange_t *self, service_t *service)
{
    uint64_t interval = service->last_done_us ? self->now_us - service->last_done_us : 0;
    service->last_done_us = self->now_us;
    service->done_interval_us = (service->done_interval_us * 7 + interval) / 8;
}

void exchange_finish(exchange_t *self, request_t *request, const exchange_answer *answer)
{
    self->port.answer(self->port.ctx, request, answer);
    if (request->state != REQUEST_NEW) {
        bus_map_remove(&self->requests, &request->by_id);
        bus_heap_remove(&self->expiries, &request->expiry);
        count_done(self, request->service);
        self->open--;
    }
    request_move(self, request, REQUEST_DONE, NULL, false);
    request_free(request);
}

static void refuse(exchange_t *self, request_t *request, mk_code code, const char *detail)
{
    exchange_finish(self, request, &(exchange_answer){.code = code, .executed = BUS_EXECUTED_NO, .detail = detail});
}

/* ---- admission ---- */

static uint64_t request_hash(const request_t *request)
{
    return bus_hash(request->caller->index, request->header.request_id.data, 16);
}

static request_t *find_same(const exchange_t *self, const request_t *request, uint64_t hash)
{
    for (bus_map_node *node = NULL; (node = bus_map_find(&self->requests, hash, node));) {
        request_t *other = BUS_OWNER(node, request_t, by_id);
        if (other->caller == request->caller && bus_slice_same(other->header.request_id, request->header.request_id))
            return other;
    }
    return NULL;
}

static bool same_question(const request_t *a, const request_t *b)
{
    return bus_slice_same(a->header.service, b->header.service) && bus_slice_same(a->header.method, b->header.method) &&
           a->header.shard == b->header.shard && bus_slice_same(a->body, b->body);
}

/* A request id that is at work here already: the same call twice, or the caller's new connection asking again, which
 * then gets the one answer. */
static exchange_entry meet_again(exchange_t *self, request_t *request, request_t *other)
{
    if (!same_question(request, other)) {
        refuse(self, request, MK_CONFLICT, "request_id");
        return EXCHANGE_TAKEN;
    }
    if (other->client != request->client) {
        bus_list_remove(&other->client_link);
        bus_list_push(request->client_link.prev, &other->client_link);
        other->client = request->client;
        other->header.tag = request->header.tag;
    }
    request_free(request);
    return EXCHANGE_DUPLICATE;
}

static bool quarantined(const exchange_t *self, const request_t *request)
{
    unsigned count =
        self->quarantine_count < EXCHANGE_QUARANTINE_MAX ? self->quarantine_count : EXCHANGE_QUARANTINE_MAX;
    for (unsigned i = 0; i < count; i++)
        if (memcmp(self->quarantine[i], request->header.request_id.data, 16) == 0) return true;
    return false;
}

static bool queue_full(const exchange_t *self, const request_t *request)
{
    const service_t *service = request->service;
    return service->queued >= self->limits.queue_count ||
           service->queued_bytes + zmq_msg_size((zmq_msg_t *)&request->msg) > self->limits.queue_bytes ||
           service->queued_by[request->caller->index] >= self->limits.caller_count;
}

static uint32_t retry_after_ms(const service_t *service)
{
    uint64_t ms = service->queued * service->done_interval_us / 1000;
    return ms < 50 ? 50 : ms > 5000 ? 5000 : (uint32_t)ms;
}

static void refuse_busy(exchange_t *self, request_t *request)
{
    self->stats.busy++;
    exchange_finish(self, request,
                    &(exchange_answer){.code = MK_BUSY,
                                       .executed = BUS_EXECUTED_NO,
                                       .retry_after_ms = retry_after_ms(request->service),
                                       .detail = "queue_full"});
}

static void admit(exchange_t *self, request_t *request, uint64_t hash)
{
    request->service->requests++;
    request->received_us = self->now_us;
    request->deadline_us = self->now_us + request->header.timeout_ms * 1000ull;
    bus_map_add(&self->requests, &request->by_id, hash);
    self->open++;
    request_route(self, request, false);
    exchange_settle(self);
}

exchange_entry exchange_call(exchange_t *self, request_t *request)
{
    uint64_t hash = request_hash(request);
    request_t *other = find_same(self, request, hash);
    if (other) return meet_again(self, request, other);
    request->service = exchange_find_service(self, request->header.service);
    if (!request->service)
        refuse(self, request, MK_NO_WORKERS, "service");
    else if (quarantined(self, request))
        refuse(self, request, MK_INTERNAL, "quarantined");
    else if (self->draining)
        refuse(self, request, MK_UNAVAILABLE, "draining");
    else if (queue_full(self, request))
        refuse_busy(self, request);
    else
        admit(self, request, hash);
    return EXCHANGE_TAKEN;
}

static void cancel_at_worker(exchange_t *self, request_t *request)
{
    worker_t *worker = request->worker;
    uint64_t serial = worker->slots[request->slot].serial;
    uint64_t tag = (uint64_t)worker->number << 48 | serial << 10 | request->slot;
    self->port.cancel(self->port.ctx, worker, request, tag);
}

void exchange_cancel(exchange_t *self, request_t *request)
{
    bool at_work = request->state == REQUEST_IN_FLIGHT;
    if (at_work) cancel_at_worker(self, request);
    uint32_t executed = at_work ? BUS_EXECUTED_UNKNOWN : request_executed(request);
    exchange_finish(self, request, &(exchange_answer){.code = MK_CANCELLED, .executed = executed});
}

void exchange_client_gone(exchange_t *self, request_t *request)
{
    bus_list_remove(&request->client_link);
    request->client = NULL;
    if (request->state != REQUEST_IN_FLIGHT)
        exchange_finish(self, request, &(exchange_answer){.code = MK_CANCELLED, .executed = request_executed(request)});
}

/* ---- losses and deadlines ---- */

static void put_in_quarantine(exchange_t *self, request_t *request)
{
    memcpy(self->quarantine[self->quarantine_count++ % EXCHANGE_QUARANTINE_MAX], request->header.request_id.data, 16);
    self->stats.quarantined++;
    exchange_finish(self, request,
                    &(exchange_answer){.code = MK_INTERNAL, .executed = BUS_EXECUTED_UNKNOWN, .detail = "poison"});
}

void request_lost(exchange_t *self, request_t *request, worker_loss loss)
{
    if (loss == LOSS_BYE) {
        request_route(self, request, true);
        return;
    }
    bool again = loss == LOSS_DEAD && request->repeatable && request->deadline_us > self->now_us && request->client;
    if (++request->losses >= 2 && loss == LOSS_DEAD) {
        put_in_quarantine(self, request);
    } else if (again) {
        request->header.attempt++;
        self->stats.redispatched++;
        request_route(self, request, true);
    } else {
        exchange_finish(
            self, request,
            &(exchange_answer){.code = MK_UNAVAILABLE, .executed = BUS_EXECUTED_UNKNOWN, .detail = "worker_lost"});
    }
}

static void expire(exchange_t *self, request_t *request)
{
    if (request->state == REQUEST_IN_FLIGHT) {
        self->stats.expired_in_flight++;
        cancel_at_worker(self, request);
        exchange_finish(self, request,
                        &(exchange_answer){.code = MK_DEADLINE_EXCEEDED, .executed = BUS_EXECUTED_UNKNOWN});
        return;
    }
    self->stats.expired_queued++;
    bool waiting = request->state == REQUEST_WAITING;
    mk_code code = request->not_owner ? MK_NOT_OWNER : waiting ? MK_NO_WORKERS : MK_DEADLINE_EXCEEDED;
    exchange_finish(self, request, &(exchange_answer){.code = code, .executed = request_executed(request)});
}

void exchange_expire(exchange_t *self)
{
    for (bus_heap_node *node; (node = bus_heap_first(&self->expiries)) && node->when_us <= self->now_us;)
        expire(self, BUS_OWNER(node, request_t, expiry));
    exchange_settle(self);
}

uint64_t exchange_next_expiry(const exchange_t *self)
{
    bus_heap_node *node = bus_heap_first(&self->expiries);
    return node ? node->when_us : 0;
}

void exchange_drain(exchange_t *self)
{
    self->draining = true;
}

/* ---- what workers answer ---- */

/* Someone else may do it: not run, so it may run again whatever it is. */
static void refused(exchange_t *self, worker_t *worker, request_t *request, bool not_owner)
{
    self->stats.refused++;
    request->refused_by = worker->serial;
    request->not_owner = not_owner;
    if (++request->refusals < REFUSALS_MAX && request->deadline_us > self->now_us) {
        request_route(self, request, true);
        return;
    }
    mk_code code = not_owner ? MK_NOT_OWNER : MK_BUSY;
    exchange_finish(self, request, &(exchange_answer){.code = code, .executed = request_executed(request)});
}

static worker_slot *slot_of(worker_t *worker, uint64_t tag)
{
    worker_slot *slot = &worker->slots[tag & (EXCHANGE_CREDIT_MAX - 1)];
    uint64_t serial = tag >> 10 & 0x3fffffffffu;
    return slot->used && slot->serial == serial ? slot : NULL;
}

static void free_slot(worker_t *worker, worker_slot *slot, uint32_t credit)
{
    worker->batch -= slot->batch;
    worker->free_slots[--worker->used] = (uint16_t)(slot - worker->slots);
    *slot = (worker_slot){0};
    uint64_t window = (uint64_t)worker->window + credit - (worker->window ? 1 : 0);
    worker->window = window > EXCHANGE_CREDIT_MAX ? EXCHANGE_CREDIT_MAX : (uint32_t)window;
}

bool exchange_reply(exchange_t *self, worker_t *worker, const bus_header *header, bus_slice body)
{
    worker_slot *slot = slot_of(worker, header->tag);
    if (!slot) {
        self->stats.late_replies++;
        return false;
    }
    request_t *request = slot->request;
    uint32_t executed = header->executed ? header->executed : BUS_EXECUTED_UNKNOWN;
    bool not_owner = header->code == MK_NOT_OWNER && executed == BUS_EXECUTED_NO;
    if (request && executed == BUS_EXECUTED_NO) executed = request_executed(request);
    if (request && not_owner)
        refused(self, worker, request, true);
    else if (request)
        exchange_finish(self, request,
                        &(exchange_answer){header->code, executed, header->retry_after_ms, NULL, header, body});
    else
        self->stats.late_replies++;
    free_slot(worker, slot, header->credit);
    worker_pump(self, worker);
    exchange_settle(self);
    return request != NULL;
}

bool exchange_reject(exchange_t *self, worker_t *worker, const bus_header *header)
{
    worker_slot *slot = slot_of(worker, header->tag);
    if (!slot) return false;
    request_t *request = slot->request;
    if (request) refused(self, worker, request, false);
    free_slot(worker, slot, header->credit);
    worker_pump(self, worker);
    exchange_settle(self);
    return true;
}
