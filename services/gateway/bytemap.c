/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/bytemap.h"

#include "common/bus/bus_map.h"

/* Seeded, over the whole key: zhashx makes its table larger with every look-up in a long chain, without end. */
static size_t hash_key(const void *key)
{
    return bus_hash(0, key, BYTEMAP_KEY_SIZE);
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, BYTEMAP_KEY_SIZE);
}

zhashx_t *bytemap_new(void)
{
    zhashx_t *map = zhashx_new();
    zhashx_set_key_hasher(map, hash_key);
    zhashx_set_key_comparator(map, compare_keys);
    zhashx_set_key_duplicator(map, NULL);
    zhashx_set_key_destructor(map, NULL);
    return map;
}
