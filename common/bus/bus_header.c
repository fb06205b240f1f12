/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bus/bus_header.h"

#include <string.h>

typedef enum field_kind {
    KIND_UNKNOWN,
    KIND_NAME,   /* letters, digits, - _ . */
    KIND_PRINT,  /* printable ASCII */
    KIND_BYTES,  /* any bytes */
    KIND_NUMBER, /* uint32 or enum, 0 … max */
    KIND_LONG,   /* uint64 */
    KIND_MAJORS,
    KIND_SHARDS,
} field_kind;

typedef struct field_row {
    field_kind kind;
    size_t offset;
    uint32_t min, max; /* length of a text, value of a number */
} field_row;

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5, FIELD_COUNT = 37 };

#define AT(name) offsetof(bus_header, name)

static const field_row rows[FIELD_COUNT] = {
    [1] = {KIND_NAME, AT(service), 1, BUS_SERVICE_MAX},
    [2] = {KIND_NAME, AT(method), 1, BUS_METHOD_MAX},
    [3] = {KIND_BYTES, AT(request_id), 16, 16},
    [4] = {KIND_BYTES, AT(idempotency_key), 1, 32},
    [5] = {KIND_NUMBER, AT(timeout_ms), 0, UINT32_MAX},
    [6] = {KIND_PRINT, AT(traceparent), BUS_TRACEPARENT_SIZE, BUS_TRACEPARENT_SIZE},
    [7] = {KIND_NUMBER, AT(attempt), 0, UINT32_MAX},
    [8] = {KIND_NUMBER, AT(priority), 0, BUS_PRIORITY_BATCH},
    [9] = {KIND_NUMBER, AT(api_major), 0, UINT32_MAX},
    [10] = {KIND_NUMBER, AT(shard), 0, UINT32_MAX},
    [11] = {KIND_NAME, AT(caller), 0, 32},
    [12] = {KIND_NUMBER, AT(repeatable), 0, 1},
    [13] = {KIND_LONG, AT(tag), 0, 0},
    [20] = {KIND_NUMBER, AT(credit), 0, UINT32_MAX},
    [21] = {KIND_MAJORS, 0, 0, 0},
    [22] = {KIND_SHARDS, 0, 0, 0},
    [23] = {KIND_PRINT, AT(instance), 0, 64},
    [30] = {KIND_NUMBER, AT(code), 0, 255},
    [31] = {KIND_NUMBER, AT(retry_after_ms), 0, UINT32_MAX},
    [32] = {KIND_NUMBER, AT(executed), 0, 3},
    [33] = {KIND_PRINT, AT(server_instance), 0, 64},
    [34] = {KIND_NUMBER, AT(queue_us), 0, UINT32_MAX},
    [35] = {KIND_NUMBER, AT(work_us), 0, UINT32_MAX},
    [36] = {KIND_PRINT, AT(detail), 0, 128},
};

static const uint8_t name_chars[256] = {
    ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['-'] = 1, ['_'] = 1, ['.'] = 1};

typedef struct cursor {
    const uint8_t *at, *end;
} cursor;

static bool take_varint(cursor *in, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;
        if (shift == 63 && byte > 1) return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(cursor *in, bus_slice *ret_bytes)
{
    uint64_t size;
    if (!take_varint(in, &size) || size > (uint64_t)(in->end - in->at)) return false;
    *ret_bytes = (bus_slice){in->at, (size_t)size};
    in->at += size;
    return true;
}

static bool take_number(cursor *in, uint32_t max, uint32_t *ret_value)
{
    uint64_t value;
    if (!take_varint(in, &value) || value > max) return false;
    *ret_value = (uint32_t)value;
    return true;
}

static bool text_allowed(const field_row *row, bus_slice text)
{
    if (text.size < row->min || text.size > row->max) return false;
    if (row->kind == KIND_BYTES) return true;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (row->kind == KIND_NAME ? !name_chars[c] : c < 0x20 || c > 0x7e) return false;
    }
    return true;
}

static bool add_major(bus_header *header, cursor *in)
{
    if (header->api_major_count == BUS_MAJORS_MAX) return false;
    return take_number(in, UINT32_MAX, &header->api_majors[header->api_major_count++]);
}

/* proto2 writes these one by one; packed is allowed to every writer. */
static bool take_majors(bus_header *header, cursor *in, unsigned wire)
{
    if (wire == WIRE_VARINT) return add_major(header, in);
    bus_slice packed;
    if (wire != WIRE_BYTES || !take_bytes(in, &packed)) return false;
    cursor inner = {packed.data, packed.data + packed.size};
    while (inner.at < inner.end)
        if (!add_major(header, &inner)) return false;
    return true;
}

static bool skip_field(cursor *in, unsigned wire)
{
    uint64_t number;
    bus_slice bytes;
    size_t fixed = wire == WIRE_64 ? 8 : 4;
    switch (wire) {
    case WIRE_VARINT: return take_varint(in, &number);
    case WIRE_BYTES: return take_bytes(in, &bytes);
    case WIRE_64:
    case WIRE_32:
        if ((size_t)(in->end - in->at) < fixed) return false;
        in->at += fixed;
        return true;
    default: return false;
    }
}

static bool take_key(cursor *in, uint32_t *ret_number, unsigned *ret_wire)
{
    uint64_t key;
    if (!take_varint(in, &key) || key > UINT32_MAX || key >> 3 == 0) return false;
    *ret_number = (uint32_t)(key >> 3);
    *ret_wire = key & 7;
    return true;
}

static bool read_shard(bus_slice bytes, bus_shard *out)
{
    cursor in = {bytes.data, bytes.data + bytes.size};
    *out = (bus_shard){0, 0};
    while (in.at < in.end) {
        uint32_t number;
        unsigned wire;
        if (!take_key(&in, &number, &wire)) return false;
        bool good = number == 1 && wire == WIRE_VARINT   ? take_number(&in, UINT32_MAX, &out->shard)
                    : number == 2 && wire == WIRE_VARINT ? take_varint(&in, &out->epoch)
                                                         : skip_field(&in, wire);
        if (!good) return false;
    }
    return out->shard != 0;
}

static bool take_shard(bus_header *header, cursor *in, unsigned wire, bus_shard *shards)
{
    bus_slice bytes;
    bus_shard one;
    if (wire != WIRE_BYTES || header->shard_count == BUS_SHARDS_MAX) return false;
    if (!take_bytes(in, &bytes) || !read_shard(bytes, &one)) return false;
    if (shards) shards[header->shard_count++] = one;
    return true;
}

static bool take_unknown(bus_header *header, cursor *in, unsigned wire, const uint8_t *start)
{
    if (header->extra_count == BUS_EXTRA_MAX || !skip_field(in, wire)) return false;
    size_t size = (size_t)(in->at - start);
    header->extra[header->extra_count++] = (bus_slice){start, size};
    header->extra_size += (uint32_t)size;
    return header->extra_size <= BUS_EXTRA_SIZE_MAX;
}

static bool take_text(bus_header *header, const field_row *row, cursor *in)
{
    bus_slice text;
    if (!take_bytes(in, &text) || !text_allowed(row, text)) return false;
    memcpy((uint8_t *)header + row->offset, &text, sizeof text);
    return true;
}

static bool take_field(bus_header *header, cursor *in, bus_shard *shards)
{
    const uint8_t *start = in->at;
    uint32_t number;
    unsigned wire;
    if (!take_key(in, &number, &wire)) return false;
    const field_row *row = number < FIELD_COUNT ? &rows[number] : &rows[0];
    void *place = (uint8_t *)header + row->offset;
    switch (row->kind) {
    case KIND_NAME:
    case KIND_PRINT:
    case KIND_BYTES: return wire == WIRE_BYTES && take_text(header, row, in);
    case KIND_NUMBER: return wire == WIRE_VARINT && take_number(in, row->max, place);
    case KIND_LONG: return wire == WIRE_VARINT && take_varint(in, place);
    case KIND_MAJORS: return take_majors(header, in, wire);
    case KIND_SHARDS: return take_shard(header, in, wire, shards);
    default: return take_unknown(header, in, wire, start);
    }
}

mk_code bus_header_decode(const uint8_t *data, size_t size, bus_header *ret_header, bus_shard *shards)
{
    bus_header header;
    memset(&header, 0, offsetof(bus_header, extra));
    cursor in = {data, data + size};
    while (in.at < in.end) MK_ENSURE(take_field(&header, &in, shards), MK_BAD_REQUEST);
    header.shards = shards;
    *ret_header = header;
    return MK_OK;
}

typedef struct sink {
    uint8_t *at, *end;
    bool full;
} sink;

static void put_varint(sink *out, uint64_t value)
{
    do {
        uint8_t byte = value & 0x7f;
        value >>= 7;
        if (out->at == out->end) {
            out->full = true;
            return;
        }
        *out->at++ = (uint8_t)(byte | (value ? 0x80 : 0));
    } while (value);
}

static void put_bytes(sink *out, const void *data, size_t size)
{
    if ((size_t)(out->end - out->at) < size) {
        out->full = true;
        return;
    }
    if (size) memcpy(out->at, data, size);
    out->at += size;
}

static void put_text(sink *out, uint32_t number, bus_slice text)
{
    if (!text.size) return;
    put_varint(out, (uint64_t)number << 3 | WIRE_BYTES);
    put_varint(out, text.size);
    put_bytes(out, text.data, text.size);
}

static void put_number(sink *out, uint32_t number, uint64_t value)
{
    if (!value) return;
    put_varint(out, (uint64_t)number << 3 | WIRE_VARINT);
    put_varint(out, value);
}

static void put_shards(sink *out, const bus_header *header)
{
    for (uint32_t i = 0; i < header->shard_count && header->shards; i++) {
        uint8_t inner[24];
        sink one = {inner, inner + sizeof inner, false};
        put_number(&one, 1, header->shards[i].shard);
        put_number(&one, 2, header->shards[i].epoch);
        put_text(out, 22, (bus_slice){inner, (size_t)(one.at - inner)});
    }
}

static void put_field(sink *out, const bus_header *header, uint32_t number)
{
    const field_row *row = &rows[number];
    const void *place = (const uint8_t *)header + row->offset;
    switch (row->kind) {
    case KIND_NAME:
    case KIND_PRINT:
    case KIND_BYTES: put_text(out, number, *(const bus_slice *)place); break;
    case KIND_NUMBER: put_number(out, number, *(const uint32_t *)place); break;
    case KIND_LONG: put_number(out, number, *(const uint64_t *)place); break;
    case KIND_MAJORS:
        for (uint32_t i = 0; i < header->api_major_count; i++) put_number(out, number, header->api_majors[i]);
        break;
    case KIND_SHARDS: put_shards(out, header); break;
    default: break;
    }
}

size_t bus_header_encode(const bus_header *header, uint8_t *out, size_t cap)
{
    sink to = {out, out + cap, false};
    for (uint32_t number = 1; number < FIELD_COUNT; number++) put_field(&to, header, number);
    for (uint32_t i = 0; i < header->extra_count; i++) put_bytes(&to, header->extra[i].data, header->extra[i].size);
    return to.full ? 0 : (size_t)(to.at - out);
}

bus_slice bus_slice_text(const char *text)
{
    return (bus_slice){(const uint8_t *)text, text ? strlen(text) : 0};
}

bool bus_slice_is(bus_slice slice, const char *text)
{
    return bus_slice_same(slice, bus_slice_text(text));
}

bool bus_slice_same(bus_slice a, bus_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

void bus_slice_copy(bus_slice slice, char *out, size_t cap)
{
    size_t size = slice.size < cap - 1 ? slice.size : cap - 1;
    if (size) memcpy(out, slice.data, size);
    out[size] = '\0';
}
