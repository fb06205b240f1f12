/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: who is offered a request, and when. */
#include <stdlib.h>
#include <string.h>

#include "services/broker/exchange.h"

enum { SCAN_MAX = 16 }; /* requests looked at behind one that no free worker may take */

static uint64_t lane_hash(uint32_t major, uint32_t shard)
{
    return bus_hash(1, (uint32_t[]){major, shard}, 8);
}

lane_t *lane_find(const service_t *service, uint32_t major, uint32_t shard)
{
    uint64_t hash = lane_hash(major, shard);
    for (bus_map_node *node = NULL; (node = bus_map_find(&service->lanes, hash, node));) {
        lane_t *lane = BUS_OWNER(node, lane_t, node);
        if (lane->major == major && lane->shard == shard) return lane;
    }
    return NULL;
}

static bool has_any_shard(const lane_t *lane)
{
    for (unsigned i = 0; i < lane->member_count; i++)
        if (lane->members[i].worker->any_shard) return true;
    return false;
}

lane_t *lane_for(const service_t *service, uint32_t major, uint32_t shard)
{
    lane_t *lane = lane_find(service, major, shard);
    if (lane || !shard) return lane;
    lane = lane_find(service, major, 0);
    return lane && has_any_shard(lane) ? lane : NULL;
}

static lane_t *lane_new(service_t *service, uint32_t major, uint32_t shard)
{
    lane_t *lane = calloc(1, sizeof *lane);
    if (!lane) abort();
    lane->service = service;
    lane->major = major;
    lane->shard = shard;
    bus_list_init(&lane->queue[0]);
    bus_list_init(&lane->queue[1]);
    bus_map_add(&service->lanes, &lane->node, lane_hash(major, shard));
    return lane;
}

static void update_epoch(lane_t *lane)
{
    lane->epoch = 0;
    for (unsigned i = 0; i < lane->member_count; i++)
        if (lane->members[i].epoch > lane->epoch) lane->epoch = lane->members[i].epoch;
}

static bool is_member(const lane_t *lane, const worker_t *worker)
{
    for (unsigned i = 0; i < lane->member_count; i++)
        if (lane->members[i].worker == worker) return true;
    return false;
}

bool lane_join(service_t *service, worker_t *worker, uint32_t major, uint32_t shard, uint64_t epoch)
{
    lane_t *lane = lane_find(service, major, shard);
    if (!lane) lane = lane_new(service, major, shard);
    if (lane->member_count == EXCHANGE_WORKERS_MAX || is_member(lane, worker)) return false;
    lane->members[lane->member_count++] = (lane_member){worker, epoch};
    worker->lanes = realloc(worker->lanes, (worker->lane_count + 1) * sizeof *worker->lanes);
    if (!worker->lanes) abort();
    worker->lanes[worker->lane_count++] = lane;
    update_epoch(lane);
    return true;
}

/* Requests of a lane that nobody offers any more wait for another. */
static void lane_close(exchange_t *self, lane_t *lane)
{
    bus_map_remove(&lane->service->lanes, &lane->node);
    for (int q = 0; q < 2; q++)
        for (bus_list *node; (node = bus_list_first(&lane->queue[q]));)
            request_route(self, BUS_OWNER(node, request_t, link), false);
    free(lane);
}

/* Without the highest epoch, what is queued is for those of the next. */
static void lane_leave(exchange_t *self, lane_t *lane, worker_t *worker)
{
    unsigned i = 0;
    uint64_t epoch = lane->epoch;
    while (lane->members[i].worker != worker) i++;
    lane->members[i] = lane->members[--lane->member_count];
    update_epoch(lane);
    if (!lane->member_count)
        lane_close(self, lane);
    else if (lane->epoch != epoch)
        lane_pump(self, lane);
}

void lane_leave_all(exchange_t *self, worker_t *worker)
{
    for (unsigned i = 0; i < worker->lane_count; i++) lane_leave(self, worker->lanes[i], worker);
    worker->lane_count = 0;
}

static bool may_take(const lane_t *lane, const lane_member *member, const request_t *request)
{
    const worker_t *worker = member->worker;
    if (worker->state == WORKER_GONE || worker->state == WORKER_DRAINING) return false;
    if (worker->serial == request->refused_by || member->epoch != lane->epoch) return false;
    return lane->shard == request->header.shard || worker->any_shard;
}

bool lane_offers(const lane_t *lane, const request_t *request)
{
    for (unsigned i = 0; i < lane->member_count; i++)
        if (may_take(lane, &lane->members[i], request)) return true;
    return false;
}

static bool has_room(const worker_t *worker, const request_t *request)
{
    if (worker->state != WORKER_READY || !worker_free(worker)) return false;
    return !request->batch || worker->batch < (worker->window + 1) / 2;
}

static bool better(const worker_t *a, const worker_t *b)
{
    uint32_t free_a = worker_free(a), free_b = worker_free(b);
    return free_a != free_b ? free_a > free_b : a->last_use_us < b->last_use_us;
}

worker_t *lane_pick(const lane_t *lane, const request_t *request)
{
    worker_t *best = NULL;
    for (unsigned i = 0; i < lane->member_count; i++) {
        worker_t *worker = lane->members[i].worker;
        if (!has_room(worker, request) || !may_take(lane, &lane->members[i], request)) continue;
        if (!best || better(worker, best)) best = worker;
    }
    return best;
}

static unsigned take_slot(exchange_t *self, worker_t *worker, request_t *request)
{
    unsigned slot = worker->free_slots[worker->used];
    worker->slots[slot] = (worker_slot){request, ++worker->slot_serial, true, request->batch};
    worker->used++;
    worker->batch += request->batch;
    worker->last_use_us = self->now_us;
    return slot;
}

static uint64_t next_tag(const worker_t *worker)
{
    uint64_t serial = (worker->slot_serial + 1) & 0x3fffffffffu;
    return (uint64_t)worker->number << 48 | serial << 10 | worker->free_slots[worker->used];
}

/* Sends first: only what was handed to the socket leaves the queue. A worker that is gone is out of lane_pick's sight.
 */
static bus_sent dispatch(exchange_t *self, worker_t *worker, request_t *request)
{
    bus_sent sent = self->port.dispatch(self->port.ctx, worker, request, next_tag(worker));
    if (sent == BUS_GONE) worker_mark_gone(self, worker, LOSS_DEAD);
    if (sent == BUS_GONE || sent == BUS_FULL) return sent;
    request->slot = take_slot(self, worker, request);
    request->worker = worker;
    request->dispatched_us = self->now_us;
    request_move(self, request, REQUEST_IN_FLIGHT, &worker->in_flight, false);
    return sent;
}

/* false: no worker can take it now */
static bool place(exchange_t *self, lane_t *lane, request_t *request)
{
    bus_sent sent = BUS_GONE;
    while (sent == BUS_GONE) {
        worker_t *worker = lane_pick(lane, request);
        if (!worker) return false;
        sent = dispatch(self, worker, request);
    }
    return sent != BUS_FULL;
}

static bool any_room(const lane_t *lane)
{
    for (unsigned i = 0; i < lane->member_count; i++)
        if (lane->members[i].worker->state == WORKER_READY && worker_free(lane->members[i].worker)) return true;
    return false;
}

static void pump_queue(exchange_t *self, lane_t *lane, bus_list *queue)
{
    unsigned skipped = 0;
    BUS_LIST_EACH(node, queue)
    {
        if (!any_room(lane) || skipped == SCAN_MAX) return;
        if (!place(self, lane, BUS_OWNER(node, request_t, link))) skipped++;
    }
}

void lane_pump(exchange_t *self, lane_t *lane)
{
    pump_queue(self, lane, &lane->queue[0]);
    pump_queue(self, lane, &lane->queue[1]);
}
