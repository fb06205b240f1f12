/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/index.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"

_Static_assert(sizeof(index_part) % 8 == 0 && sizeof(index_header) % 8 == 0, "sets are aligned to eight octets");

static const char magic[8] = "MYKEYRV1";

/* ---- reading ---- */

static bool lies_within(const index_view *self, uint64_t at, uint64_t size)
{
    return at % 8 == 0 && at <= self->size && size <= self->size - at;
}

static bool open_set(const index_view *self, uint64_t at, uint64_t size, serials_t *ret_set)
{
    return lies_within(self, at, size) && serials_open(ret_set, self->data + at, size);
}

static bool fits(const index_view *self, size_t i)
{
    serials_t set;
    const index_part *part = &self->parts[i];
    return (i == 0 || memcmp(&part[-1].key, &part->key, sizeof part->key) < 0) &&
           open_set(self, part->revoked_at, part->revoked_size, &set) &&
           open_set(self, part->held_at, part->held_size, &set);
}

static void digest(const void *data, uint64_t size, uint8_t out[INDEX_HASH_SIZE])
{
    bytes_sha256((const uint8_t *)data + sizeof(index_header), size - sizeof(index_header), out);
}

bool index_open(index_view *self, const void *data, size_t size)
{
    uint8_t sha256[INDEX_HASH_SIZE];
    const index_header *header = data;
    if (size < sizeof *header || (uintptr_t)data % 8 != 0) return false;
    if (memcmp(header->magic, magic, sizeof magic) != 0 || header->size != size) return false;
    if (header->part_count > INDEX_PARTS_MAX || size - sizeof *header < header->part_count * sizeof(index_part)) {
        return false;
    }
    digest(data, size, sha256);
    if (memcmp(sha256, header->sha256, sizeof sha256) != 0) return false;
    *self = (index_view){data, size, (size_t)header->part_count, (const index_part *)(const void *)(header + 1)};
    for (size_t i = 0; i < self->part_count; i++) {
        if (!fits(self, i)) return false;
    }
    return true;
}

static int compare_part(const void *key, const void *part)
{
    return memcmp(key, &((const index_part *)part)->key, sizeof(index_key));
}

const index_part *index_find(const index_view *self, const index_key *key)
{
    if (self->part_count == 0) return NULL;
    return bsearch(key, self->parts, self->part_count, sizeof *self->parts, compare_part);
}

bool index_has(const index_view *self, const index_part *part, uint32_t serial)
{
    serials_t revoked, held;
    return !open_set(self, part->revoked_at, part->revoked_size, &revoked) || serials_has(&revoked, serial) ||
           !open_set(self, part->held_at, part->held_size, &held) || serials_has(&held, serial);
}

uint64_t index_count(const index_view *self, const index_part *part)
{
    serials_t revoked, held;
    bool whole = open_set(self, part->revoked_at, part->revoked_size, &revoked) &&
                 open_set(self, part->held_at, part->held_size, &held);
    return whole ? revoked.count + held.count : 0;
}

/* ---- writing ---- */

static index_part *begin(void *data, size_t size, size_t part_count)
{
    index_header *header = data;
    memcpy(header->magic, magic, sizeof magic);
    header->size = size;
    header->part_count = part_count;
    return (index_part *)(void *)(header + 1);
}

void index_seal(void *data)
{
    index_header *header = data;
    digest(data, header->size, header->sha256);
}

size_t index_one_size(uint64_t revoked, uint64_t held)
{
    return sizeof(index_header) + sizeof(index_part) + serials_size(revoked) + serials_size(held);
}

void index_one_begin(void *data, const index_part *part, uint64_t revoked, uint64_t held, serials_builder *ret_revoked,
                     serials_builder *ret_held)
{
    index_part *own = begin(data, index_one_size(revoked, held), 1);
    *own = *part;
    own->revoked_at = sizeof(index_header) + sizeof *own;
    own->revoked_size = serials_size(revoked);
    own->held_at = own->revoked_at + own->revoked_size;
    own->held_size = serials_size(held);
    serials_build(ret_revoked, (uint8_t *)data + own->revoked_at, revoked);
    serials_build(ret_held, (uint8_t *)data + own->held_at, held);
}

static size_t count_parts(const index_view *const *from, size_t count)
{
    size_t parts = 0;
    for (size_t i = 0; i < count; i++) parts += from[i]->part_count;
    return parts;
}

size_t index_union_size(const index_view *const *from, size_t count)
{
    size_t size = sizeof(index_header);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < from[i]->part_count; j++) {
            const index_part *part = &from[i]->parts[j];
            size += sizeof *part + part->revoked_size + part->held_size;
        }
    }
    return size;
}

static uint64_t copy_set(uint8_t *data, uint64_t *end, const index_view *from, uint64_t at, uint64_t size)
{
    uint64_t place = *end;
    memcpy(data + place, from->data + at, size);
    *end += size;
    return place;
}

static int compare_parts(const void *a, const void *b)
{
    return compare_part(&((const index_part *)a)->key, b);
}

bool index_union(void *data, const index_view *const *from, size_t count)
{
    size_t part_count = count_parts(from, count), put = 0;
    if (part_count > INDEX_PARTS_MAX) return false;
    index_part *parts = begin(data, index_union_size(from, count), part_count);
    uint64_t end = sizeof(index_header) + part_count * sizeof *parts;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < from[i]->part_count; j++, put++) {
            parts[put] = from[i]->parts[j];
            parts[put].revoked_at = copy_set(data, &end, from[i], parts[put].revoked_at, parts[put].revoked_size);
            parts[put].held_at = copy_set(data, &end, from[i], parts[put].held_at, parts[put].held_size);
        }
    }
    qsort(parts, part_count, sizeof *parts, compare_parts);
    for (size_t i = 1; i < part_count; i++) {
        if (compare_parts(&parts[i - 1], &parts[i]) == 0) return false;
    }
    index_seal(data);
    return true;
}
