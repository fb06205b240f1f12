/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pb/pb.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/base/text.h"

/* ---- a walk over the wire bytes, before protobuf-c sees them ---- */

typedef struct wire {
    const uint8_t *at;
    const uint8_t *end;
} wire_t;

typedef struct wire_field {
    uint32_t number;
    uint32_t type; /* 0 varint, 1 64-bit, 2 bytes, 5 32-bit */
    wire_t value;  /* for type 2 */
} wire_field;

static mk_code read_varint(wire_t *wire, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        MK_ENSURE(wire->at < wire->end, MK_BAD_REQUEST);
        uint8_t byte = *wire->at++;
        MK_ENSURE(shift < 63 || byte <= 1, MK_BAD_REQUEST);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return MK_OK;
        }
    }
    return MK_BAD_REQUEST;
}

static mk_code skip(wire_t *wire, uint64_t count, wire_t *ret_skipped)
{
    MK_ENSURE(count <= (uint64_t)(wire->end - wire->at), MK_BAD_REQUEST);
    *ret_skipped = (wire_t){wire->at, wire->at + count};
    wire->at += count;
    return MK_OK;
}

static mk_code read_field(wire_t *wire, wire_field *ret_field)
{
    uint64_t key, number;
    MK_TRY(read_varint(wire, &key));
    *ret_field = (wire_field){.number = (uint32_t)(key >> 3), .type = (uint32_t)(key & 7)};
    MK_ENSURE(key >> 3 > 0 && key >> 3 < 1u << 29, MK_BAD_REQUEST);
    switch (ret_field->type) {
    case 0: return read_varint(wire, &number);
    case 1: return skip(wire, 8, &ret_field->value);
    case 5: return skip(wire, 4, &ret_field->value);
    case 2: MK_TRY(read_varint(wire, &number)); return skip(wire, number, &ret_field->value);
    default: return MK_BAD_REQUEST; /* groups are not used */
    }
}

static uint32_t wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return 2;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return 5;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return 1;
    default: return 0;
    }
}

static mk_code check_string(const wire_t *value)
{
    size_t size = (size_t)(value->end - value->at);
    MK_ENSURE(size <= PB_STRING_MAX, MK_TOO_LARGE);
    return text_is_utf8((const char *)value->at, size) ? MK_OK : MK_BAD_REQUEST;
}

static mk_code check_message(const ProtobufCMessageDescriptor *type, wire_t wire, unsigned depth, unsigned *fields);

static mk_code check_value(const ProtobufCFieldDescriptor *known, const wire_field *field, unsigned depth,
                           unsigned *fields)
{
    /* Packed repeated numbers are allowed by the encoding but used by no message of ours. */
    MK_ENSURE(field->type == wire_type_of(known->type), MK_BAD_REQUEST);
    if (known->type == PROTOBUF_C_TYPE_STRING) return check_string(&field->value);
    if (known->type != PROTOBUF_C_TYPE_MESSAGE) return MK_OK;
    MK_ENSURE(depth < PB_DEPTH_MAX, MK_BAD_REQUEST);
    return check_message(known->descriptor, field->value, depth + 1, fields);
}

/* Counts each field's occurrences: a singular one given twice is refused (protobuf-c would merge the two), a repeated
 * one is bounded. Our messages have at most 64 fields. */
static mk_code check_count(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *known,
                           uint16_t *counts)
{
    size_t index = (size_t)(known - type->fields);
    MK_ENSURE(index < 64, MK_BAD_REQUEST);
    counts[index]++;
    uint16_t limit = known->label == PROTOBUF_C_LABEL_REPEATED ? PB_REPEATED_MAX : 1;
    return counts[index] <= limit ? MK_OK : MK_BAD_REQUEST;
}

static mk_code check_message(const ProtobufCMessageDescriptor *type, wire_t wire, unsigned depth, unsigned *fields)
{
    uint16_t counts[64] = {0};
    while (wire.at < wire.end) {
        wire_field field;
        MK_ENSURE(++*fields <= PB_FIELDS_MAX, MK_BAD_REQUEST);
        MK_TRY(read_field(&wire, &field));
        const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(type, field.number);
        if (known == NULL) continue; /* a newer peer's field */
        MK_TRY(check_count(type, known, counts));
        MK_TRY(check_value(known, &field, depth, fields));
    }
    return MK_OK;
}

/* ---- the functions of the header ---- */

mk_code pb_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
                  ProtobufCMessage **ret_message)
{
    static const uint8_t nothing[1];
    unsigned fields = 0;
    MK_ENSURE(size <= PB_BODY_MAX, MK_TOO_LARGE);
    if (size == 0) data = nothing; /* NULL then, and nothing may be added to that */
    MK_TRY(check_message(type, (wire_t){data, data + size}, 0, &fields));
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, size, data);
    MK_ENSURE(message != NULL, MK_BAD_REQUEST);
    *ret_message = message;
    return MK_OK;
}

void pb_free(ProtobufCMessage *message)
{
    if (message != NULL) protobuf_c_message_free_unpacked(message, NULL);
}

void pb_free_p(void *message_p)
{
    pb_free(*(ProtobufCMessage **)message_p);
}

uint8_t *pb_pack(const ProtobufCMessage *message, size_t *ret_size)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL) abort();
    *ret_size = protobuf_c_message_pack(message, data);
    return data;
}
