/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: offers, credit, states, loss. */
#include <stdlib.h>
#include <string.h>

#include "services/broker/exchange.h"

enum { NUMBERS = 4096 };

uint32_t worker_free(const worker_t *worker)
{
    return worker->window > worker->used ? worker->window - worker->used : 0;
}

/* The only function that changes a worker's state. GONE is for ever. */
static void worker_move(exchange_t *self, worker_t *worker, worker_state state)
{
    if (worker->state == WORKER_GONE) return;
    worker->state = state;
    if (state == WORKER_GONE) bus_list_push(&self->gone, &worker->gone_link);
}

static uint16_t next_number(exchange_t *self)
{
    for (unsigned tries = 0; tries < NUMBERS; tries++) {
        self->last_number = (uint16_t)((self->last_number + 1) % NUMBERS);
        if (self->last_number && !self->numbers[self->last_number]) return self->last_number;
    }
    return 0;
}

static worker_t *worker_new(exchange_t *self, service_t *service, void *peer)
{
    uint16_t number = service->worker_count < EXCHANGE_WORKERS_MAX ? next_number(self) : 0;
    worker_t *worker = number ? calloc(1, sizeof *worker) : NULL;
    if (!worker) return NULL;
    worker->service = service;
    worker->peer = peer;
    worker->number = number;
    bus_list_init(&worker->in_flight);
    for (unsigned i = 0; i < EXCHANGE_CREDIT_MAX; i++) worker->free_slots[i] = (uint16_t)i;
    bus_list_push(&service->workers, &worker->link);
    service->worker_count++;
    self->numbers[number] = worker;
    return worker;
}

static uint32_t clamp_credit(uint64_t credit)
{
    return credit > EXCHANGE_CREDIT_MAX ? EXCHANGE_CREDIT_MAX : (uint32_t)credit;
}

static void note_offer(worker_t *worker, const bus_header *header)
{
    worker->window = clamp_credit(header->credit);
    worker->major_count = header->api_major_count;
    memcpy(worker->majors, header->api_majors, sizeof worker->majors);
    if (!worker->major_count) worker->majors[worker->major_count++] = 1;
    worker->shard_count = header->shards ? header->shard_count : 0;
    if (worker->shard_count) memcpy(worker->shards, header->shards, worker->shard_count * sizeof *worker->shards);
    worker->any_shard = worker->shard_count == 0;
}

static void join(worker_t *worker, uint32_t major)
{
    lane_join(worker->service, worker, major, 0, 0);
    for (uint32_t i = 0; i < worker->shard_count; i++)
        lane_join(worker->service, worker, major, worker->shards[i].shard, worker->shards[i].epoch);
}

static void reroute_waiting(exchange_t *self, service_t *service)
{
    bus_list again;
    bus_list_init(&again);
    for (bus_list *node; (node = bus_list_pop(&service->waiting));) bus_list_push(&again, node);
    for (bus_list *node; (node = bus_list_first(&again));) request_route(self, BUS_OWNER(node, request_t, link), false);
}

/* Takes its place in the lanes; what waited may find one. */
static void enter(exchange_t *self, worker_t *worker)
{
    worker_move(self, worker, WORKER_READY);
    worker->serial = ++self->worker_serial;
    for (uint32_t i = 0; i < worker->major_count; i++) join(worker, worker->majors[i]);
    reroute_waiting(self, worker->service);
    worker_pump(self, worker);
}

/* Requests in lanes that only this worker offered wait for another one now, with grace; others that waited may do with
 * an older epoch. */
static void leave(exchange_t *self, worker_t *worker, worker_state state)
{
    worker_move(self, worker, state);
    lane_leave_all(self, worker);
    reroute_waiting(self, worker->service);
}

static bool same_offer(const worker_t *worker, const bus_header *header)
{
    uint32_t shards = header->shards ? header->shard_count : 0;
    return worker->state == WORKER_READY && header->api_major_count == worker->major_count &&
           memcmp(header->api_majors, worker->majors, worker->major_count * sizeof *worker->majors) == 0 &&
           shards == worker->shard_count &&
           (!shards || memcmp(header->shards, worker->shards, shards * sizeof *worker->shards) == 0);
}

/* A worker repeats its offer now and then, in case that we forgot it. */
worker_t *exchange_ready(exchange_t *self, service_t *service, worker_t *again, const worker_offer *offer)
{
    if (again && same_offer(again, offer->header)) {
        again->window = clamp_credit(offer->header->credit);
        worker_pump(self, again);
        return again;
    }
    worker_t *worker = again ? again : worker_new(self, service, offer->peer);
    if (!worker) return NULL;
    lane_leave_all(self, worker);
    note_offer(worker, offer->header);
    enter(self, worker);
    return worker;
}

void exchange_credit(exchange_t *self, worker_t *worker, uint32_t more)
{
    worker->window = clamp_credit((uint64_t)worker->window + more);
    worker_pump(self, worker);
    exchange_settle(self);
}

worker_t *exchange_worker_of(const exchange_t *self, uint64_t tag)
{
    return tag >> 48 < NUMBERS ? self->numbers[tag >> 48] : NULL;
}

void worker_pump(exchange_t *self, worker_t *worker)
{
    if (!worker->service->queued) return;
    for (unsigned i = 0; i < worker->lane_count; i++)
        lane_pump(self, worker->lanes[(i + worker->slot_serial) % worker->lane_count]);
}

void exchange_drain_worker(exchange_t *self, worker_t *worker)
{
    leave(self, worker, WORKER_DRAINING);
    exchange_settle(self);
}

static void release_requests(exchange_t *self, worker_t *worker, worker_loss loss)
{
    bus_list lost;
    bus_list_init(&lost);
    for (bus_list *node; (node = bus_list_pop(&worker->in_flight));) bus_list_push(&lost, node);
    for (bus_list *node; (node = bus_list_first(&lost));) request_lost(self, BUS_OWNER(node, request_t, link), loss);
}

void exchange_suspect(exchange_t *self, worker_t *worker)
{
    if (worker->state != WORKER_READY) {
        exchange_lose(self, worker, LOSS_DEAD);
        return;
    }
    leave(self, worker, WORKER_SUSPECT);
    release_requests(self, worker, LOSS_DEAD);
    exchange_settle(self);
}

void exchange_revive(exchange_t *self, worker_t *worker)
{
    if (worker->state == WORKER_SUSPECT) enter(self, worker);
    exchange_settle(self);
}

void worker_mark_gone(exchange_t *self, worker_t *worker, worker_loss loss)
{
    if (worker->state != WORKER_GONE) worker->loss = (int)loss;
    worker_move(self, worker, WORKER_GONE);
}

void exchange_lose(exchange_t *self, worker_t *worker, worker_loss loss)
{
    worker_mark_gone(self, worker, loss);
    exchange_settle(self);
}

static void bury(exchange_t *self, worker_t *worker)
{
    leave(self, worker, WORKER_GONE);
    release_requests(self, worker, (worker_loss)worker->loss);
    self->port.worker_dropped(self->port.ctx, worker);
    bus_list_remove(&worker->link);
    bus_list_remove(&worker->peer_link);
    worker->service->worker_count--;
    self->numbers[worker->number] = NULL;
    free(worker->lanes);
    free(worker);
}

/* Ends every entry point: workers found gone on the way are buried now, when no list is being walked. */
void exchange_settle(exchange_t *self)
{
    for (bus_list *node; (node = bus_list_pop(&self->gone));) bury(self, BUS_OWNER(node, worker_t, gone_link));
}
