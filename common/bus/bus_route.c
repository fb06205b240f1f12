/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/bus_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bus_routes_init(bus_routes *self)
{
    bus_map_init(&self->by_name);
    bus_list_init(&self->all);
}

void bus_routes_free(bus_routes *self)
{
    for (bus_list *node; (node = bus_list_pop(&self->all));) free(BUS_OWNER(node, bus_route, all));
    bus_map_free(&self->by_name);
}

static bool is_it(const bus_route *self, const char *service, const char *method, uint32_t group)
{
    return self->group == group && strcmp(self->method, method) == 0 && strcmp(self->service, service) == 0;
}

static bus_route *route_new(bus_routes *routes, const char *service, const char *method, uint32_t group)
{
    bus_route *self = calloc(1, sizeof *self);
    if (!self) abort();
    snprintf(self->service, sizeof self->service, "%s", service);
    snprintf(self->method, sizeof self->method, "%s", method);
    self->group = group;
    self->budget = ROUTE_BUDGET_MAX;
    bus_list_push(&routes->all, &self->all);
    return self;
}

bus_route *bus_routes_get(bus_routes *self, const char *service, const char *method, uint32_t shard)
{
    uint32_t group = shard % ROUTE_SHARD_GROUPS;
    uint64_t hash = bus_hash(bus_hash(group, service, strlen(service)), method, strlen(method));
    for (bus_map_node *node = NULL; (node = bus_map_find(&self->by_name, hash, node));) {
        bus_route *route = BUS_OWNER(node, bus_route, node);
        if (is_it(route, service, method, group)) return route;
    }
    bus_route *route = route_new(self, service, method, group);
    bus_map_add(&self->by_name, &route->node, hash);
    return route;
}

static void earn(bus_route *self)
{
    if (self->budget < ROUTE_BUDGET_MAX) self->budget++;
}

route_entry bus_route_enter(bus_route *self, uint64_t now_us)
{
    if (self->pause_ms && (self->probing || now_us < self->open_until_us)) return ROUTE_OPEN;
    earn(self);
    self->probing = self->pause_ms != 0;
    return self->probing ? ROUTE_PROBE : ROUTE_ADMITTED;
}

/* Refusals by a broker (executed=no) are not the service's failing, and a BUSY service lives. */
static bool is_failure(mk_code code, bus_executed executed)
{
    if (code == MK_UNAVAILABLE) return executed != BUS_EXECUTED_NO;
    return code == MK_NO_WORKERS || code == MK_DEADLINE_EXCEEDED;
}

static void open_breaker(bus_route *self, uint64_t now_us)
{
    uint32_t doubled = self->pause_ms ? self->pause_ms * 2 : ROUTE_PAUSE_MIN_MS;
    self->pause_ms = doubled < ROUTE_PAUSE_MAX_MS ? doubled : ROUTE_PAUSE_MAX_MS;
    self->open_until_us = now_us + self->pause_ms * 1000ull;
}

static bool failed(bus_route *self, bool probe, uint64_t now_us)
{
    bool was_open = bus_route_is_open(self);
    self->failures++;
    if (was_open ? probe : self->failures >= ROUTE_FAILURES_MAX) open_breaker(self, now_us);
    return bus_route_is_open(self) != was_open;
}

bool bus_route_answered(bus_route *self, bool probe, mk_code code, bus_executed executed, uint64_t now_us)
{
    if (probe) self->probing = false;
    if (is_failure(code, executed)) return failed(self, probe, now_us);
    bool was_open = bus_route_is_open(self);
    self->failures = 0;
    self->pause_ms = 0;
    return was_open;
}

void bus_route_abandoned(bus_route *self)
{
    self->probing = false;
}

bool bus_route_spend_retry(bus_route *self)
{
    if (self->budget < ROUTE_RETRY_COST) return false;
    self->budget -= ROUTE_RETRY_COST;
    return true;
}
