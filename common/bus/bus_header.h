/* SPDX-License-Identifier: Apache-2.0 */
/* bus.Header of proto/bus.proto without allocation: texts stay where they were received. Strict: charsets, lengths and
 * ranges are checked while decoding; fields that this version does not know are kept and written out again. */
#ifndef MYKEY_BUS_BUS_HEADER_H
#define MYKEY_BUS_BUS_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

enum {
    BUS_SERVICE_MAX = 32,
    BUS_METHOD_MAX = 64,
    BUS_TRACEPARENT_SIZE = 55,
    BUS_MAJORS_MAX = 4,
    BUS_SHARDS_MAX = 64,
    BUS_EXTRA_MAX = 8,        /* unknown fields kept … */
    BUS_EXTRA_SIZE_MAX = 512, /* … and their bytes together, so that a relay's own fields find room */
    BUS_TIMEOUT_MAX_MS = 60000,
};

enum { BUS_PRIORITY_INTERACTIVE = 1, BUS_PRIORITY_BATCH = 2 };

typedef struct bus_slice {
    const uint8_t *data; /* not NUL-terminated, not owned */
    size_t size;
} bus_slice;

typedef struct bus_shard {
    uint32_t shard;
    uint64_t epoch;
} bus_shard;

/* Zero and an empty slice mean "not there". */
typedef struct bus_header {
    bus_slice service, method, request_id, idempotency_key, traceparent, caller, instance, server_instance, detail;
    uint64_t tag;
    uint32_t timeout_ms, attempt, priority, api_major, shard, repeatable, credit;
    uint32_t code, retry_after_ms, executed, queue_us, work_us;
    uint32_t api_majors[BUS_MAJORS_MAX];
    uint32_t api_major_count, shard_count, extra_count, extra_size;
    const bus_shard *shards;
    bus_slice extra[BUS_EXTRA_MAX];
} bus_header;

/* BAD_REQUEST if the bytes are not a header. shards: room for BUS_SHARDS_MAX, or NULL to check and skip them. The
 * result points into data and shards. */
mk_code bus_header_decode(const uint8_t *data, size_t size, bus_header *ret_header, bus_shard *shards) MK_CHECKED;

/* Writes to out (cap bytes); the size, or 0 if it does not fit. */
size_t bus_header_encode(const bus_header *header, uint8_t *out, size_t cap);

bus_slice bus_slice_text(const char *text); /* NULL is empty */
bool bus_slice_is(bus_slice slice, const char *text);
bool bus_slice_same(bus_slice a, bus_slice b);

/* Copies with a NUL, cut at cap - 1. */
void bus_slice_copy(bus_slice slice, char *out, size_t cap);

#endif
