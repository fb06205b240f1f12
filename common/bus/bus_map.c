/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/bus_map.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"

static uint64_t seed(void)
{
    static uint64_t value;
    while (!value) bytes_random((uint8_t *)&value, sizeof value);
    return value;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    return h;
}

uint64_t bus_hash(uint64_t start, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t h = mix(start ^ seed());
    for (; size >= 8; at += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        h = mix((h ^ word) * 0x9e3779b97f4a7c15u + seed());
    }
    uint64_t rest = size;
    for (size_t i = 0; i < size; i++) rest = rest << 8 | at[i];
    return mix((h ^ rest) * 0x9e3779b97f4a7c15u + seed());
}

static bus_map_node **buckets_new(size_t count)
{
    bus_map_node **buckets = calloc(count, sizeof(bus_map_node *));
    if (!buckets) abort();
    return buckets;
}

void bus_map_init(bus_map *self)
{
    *self = (bus_map){buckets_new(64), 0, 63};
}

void bus_map_free(bus_map *self)
{
    free(self->buckets);
    *self = (bus_map){0};
}

static void link_node(bus_map *self, bus_map_node *node)
{
    bus_map_node **bucket = &self->buckets[node->hash & self->mask];
    node->next = *bucket;
    *bucket = node;
}

static void grow(bus_map *self)
{
    bus_map old = *self;
    self->mask = old.mask * 2 + 1;
    self->buckets = buckets_new(self->mask + 1);
    for (size_t i = 0; i <= old.mask; i++) {
        for (bus_map_node *node = old.buckets[i], *next; node; node = next) {
            next = node->next;
            link_node(self, node);
        }
    }
    free(old.buckets);
}

void bus_map_add(bus_map *self, bus_map_node *node, uint64_t hash)
{
    if (self->count++ > self->mask) grow(self);
    node->hash = hash;
    link_node(self, node);
}

void bus_map_remove(bus_map *self, bus_map_node *node)
{
    bus_map_node **at = &self->buckets[node->hash & self->mask];
    while (*at && *at != node) at = &(*at)->next;
    if (!*at) return;
    *at = node->next;
    self->count--;
}

bus_map_node *bus_map_find(const bus_map *self, uint64_t hash, const bus_map_node *after)
{
    bus_map_node *node = after ? after->next : self->buckets[hash & self->mask];
    while (node && node->hash != hash) node = node->next;
    return node;
}
