/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/bus_heap.h"

#include <stdlib.h>

#include "common/base/clock.h"

void bus_heap_free(bus_heap *self)
{
    free(self->nodes);
    *self = (bus_heap){0};
}

static void grow(bus_heap *self)
{
    if (self->count + 1 < self->cap) return;
    self->cap = self->cap ? self->cap * 2 : 64;
    self->nodes = realloc(self->nodes, self->cap * sizeof *self->nodes);
    if (!self->nodes) abort();
}

static void put(bus_heap *self, size_t place, bus_heap_node *node)
{
    self->nodes[place] = node;
    node->place = place;
}

static void sift_up(bus_heap *self, bus_heap_node *node)
{
    size_t place = node->place;
    for (; place > 1 && self->nodes[place / 2]->when_us > node->when_us; place /= 2)
        put(self, place, self->nodes[place / 2]);
    put(self, place, node);
}

static void sift_down(bus_heap *self, bus_heap_node *node)
{
    size_t place = node->place;
    for (size_t child = place * 2; child <= self->count; child = place * 2) {
        if (child < self->count && self->nodes[child + 1]->when_us < self->nodes[child]->when_us) child++;
        if (self->nodes[child]->when_us >= node->when_us) break;
        put(self, place, self->nodes[child]);
        place = child;
    }
    put(self, place, node);
}

void bus_heap_set(bus_heap *self, bus_heap_node *node, uint64_t when_us)
{
    if (!node->place) {
        grow(self);
        put(self, ++self->count, node);
    }
    node->when_us = when_us;
    sift_up(self, node);
    sift_down(self, node);
}

void bus_heap_remove(bus_heap *self, bus_heap_node *node)
{
    if (!node->place) return;
    bus_heap_node *last = self->nodes[self->count--];
    if (last != node) {
        put(self, node->place, last);
        sift_up(self, last);
        sift_down(self, last);
    }
    node->place = 0;
}

bus_heap_node *bus_heap_first(const bus_heap *self)
{
    return self->count ? self->nodes[1] : NULL;
}

void bus_alarm_init(bus_alarm *self, zloop_t *loop, void (*fire)(void *arg), void *arg)
{
    *self = (bus_alarm){.loop = loop, .fire = fire, .arg = arg};
}

static int on_timer(zloop_t *loop, int timer_id, void *arg)
{
    bus_alarm *self = arg;
    (void)loop;
    if (timer_id != self->timer_id) return 0;
    self->armed_us = 0;
    self->fire(self->arg);
    return 0;
}

void bus_alarm_at(bus_alarm *self, uint64_t when_us)
{
    if (self->armed_us && self->armed_us <= when_us) return;
    bus_alarm_stop(self);
    uint64_t now = clock_mono_us();
    size_t delay_ms = when_us > now ? (size_t)((when_us - now + 999) / 1000) : 0;
    self->timer_id = zloop_timer(self->loop, delay_ms, 1, on_timer, self);
    self->armed_us = when_us;
}

void bus_alarm_stop(bus_alarm *self)
{
    if (self->armed_us) zloop_timer_end(self->loop, self->timer_id);
    self->armed_us = 0;
}
