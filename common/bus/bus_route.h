/* SPDX-License-Identifier: Apache-2.0 */
/* What a caller knows of a method from its answers, and spares the service for it: a breaker (many failures in a row:
 * calls are refused here, one at a time tries) and a budget of repeats after BUSY. Pure state: no clock, no socket. */
#ifndef MYKEY_BUS_BUS_ROUTE_H
#define MYKEY_BUS_BUS_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/code.h"
#include "common/bus/bus.h"
#include "common/bus/bus_header.h"
#include "common/bus/bus_list.h"
#include "common/bus/bus_map.h"

enum {
    ROUTE_FAILURES_MAX = 8, /* in a row open the breaker */
    ROUTE_PAUSE_MIN_MS = 500,
    ROUTE_PAUSE_MAX_MS = 2000,
    ROUTE_RETRY_COST = 10,   /* a call earns 1: repeats are at most a tenth of the calls */
    ROUTE_BUDGET_MAX = 100,  /* saved up: ten repeats */
    ROUTE_SHARD_GROUPS = 64, /* shards that fail don't close the others; bounded, whatever shards are asked for */
};

typedef struct bus_route {
    bus_map_node node;
    bus_list all;
    char service[BUS_SERVICE_MAX + 1], method[BUS_METHOD_MAX + 1];
    uint32_t group;
    unsigned failures; /* in a row */
    uint32_t pause_ms; /* 0 = the breaker is closed */
    uint64_t open_until_us;
    bool probing; /* one call is out to see whether it works again */
    unsigned budget;
} bus_route;

typedef struct bus_routes {
    bus_map by_name;
    bus_list all;
} bus_routes;

typedef enum route_entry { ROUTE_OPEN, ROUTE_ADMITTED, ROUTE_PROBE } route_entry;

void bus_routes_init(bus_routes *self);
void bus_routes_free(bus_routes *self);

/* The method's own, made at its first call; lives as long as the routes. service and method fit (bus_header.h). */
bus_route *bus_routes_get(bus_routes *self, const char *service, const char *method, uint32_t shard);

/* May a call be made? ROUTE_PROBE: it is the one that tries; bus_route_answered or bus_route_abandoned must follow. */
route_entry bus_route_enter(bus_route *self, uint64_t now_us);

/* How the service answered. true: the breaker was opened or closed. */
bool bus_route_answered(bus_route *self, bool probe, mk_code code, bus_executed executed, uint64_t now_us);

/* A probe ended without an answer of the service: the next call tries. */
void bus_route_abandoned(bus_route *self);

/* May a call that was refused with BUSY be repeated? Takes it from the budget. */
bool bus_route_spend_retry(bus_route *self);

static inline bool bus_route_is_open(const bus_route *self)
{
    return self->pause_ms != 0;
}

#endif
