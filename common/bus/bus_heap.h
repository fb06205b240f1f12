/* SPDX-License-Identifier: Apache-2.0 */
/* A min-heap of moments whose nodes live in the members, and an alarm: one zloop timer for the earliest of them. */
#ifndef MYKEY_BUS_BUS_HEAP_H
#define MYKEY_BUS_BUS_HEAP_H

#include <czmq.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bus_heap_node {
    uint64_t when_us; /* clock_mono_us */
    size_t place;     /* 1 … count; 0 = not in the heap */
} bus_heap_node;

typedef struct bus_heap {
    bus_heap_node **nodes; /* nodes[1] is the earliest */
    size_t count, cap;
} bus_heap;

void bus_heap_free(bus_heap *self);

/* Adds the node, or moves it if it is in. */
void bus_heap_set(bus_heap *self, bus_heap_node *node, uint64_t when_us);
void bus_heap_remove(bus_heap *self, bus_heap_node *node); /* not in: nothing */
bus_heap_node *bus_heap_first(const bus_heap *self);       /* NULL when empty */

/* A timer that is re-armed only when an earlier moment comes: it may fire early, never late. */
typedef struct bus_alarm {
    zloop_t *loop;
    void (*fire)(void *arg);
    void *arg;
    int timer_id;
    uint64_t armed_us; /* 0 = not armed */
} bus_alarm;

void bus_alarm_init(bus_alarm *self, zloop_t *loop, void (*fire)(void *arg), void *arg);
void bus_alarm_at(bus_alarm *self, uint64_t when_us);
void bus_alarm_stop(bus_alarm *self);

#endif
