/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table whose nodes live in the members; the caller compares. The seed is random for each process, because the
 * keys come from peers. */
#ifndef MYKEY_BUS_BUS_MAP_H
#define MYKEY_BUS_BUS_MAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct bus_map_node {
    struct bus_map_node *next;
    uint64_t hash;
} bus_map_node;

typedef struct bus_map {
    bus_map_node **buckets;
    size_t count, mask;
} bus_map;

uint64_t bus_hash(uint64_t start, const void *data, size_t size);

void bus_map_init(bus_map *self);
void bus_map_free(bus_map *self); /* not the members */
void bus_map_add(bus_map *self, bus_map_node *node, uint64_t hash);
void bus_map_remove(bus_map *self, bus_map_node *node); /* must be in */

/* The first node of this hash after `after` (NULL = from the start); several keys may share a hash. */
bus_map_node *bus_map_find(const bus_map *self, uint64_t hash, const bus_map_node *after);

#endif
