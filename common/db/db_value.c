/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters and results in PostgreSQL's binary format: network order, arrays with a header of three words. */
#include <stdlib.h>
#include <string.h>

#include "common/db/db.h"

enum { ARRAY_HEADER = 20 }; /* dimensions, has-null flag, element type, length, lower bound */

struct db_array {
    uint8_t *data;
    size_t used, cap;
    size_t count;
};

static void put32(uint8_t *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (24 - 8 * i));
}

db_param db_param_number(db_int8 *storage, int64_t value)
{
    for (unsigned i = 0; i < 8; i++) storage->bytes[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
    return db_param_bytes(storage->bytes, sizeof storage->bytes);
}

static void reserve(db_array_t *self, size_t more)
{
    if (self->used + more <= self->cap) return;
    while (self->used + more > self->cap) self->cap *= 2;
    self->data = realloc(self->data, self->cap);
    if (self->data == NULL) abort();
}

db_array_t *db_array_new(db_array_of type)
{
    db_array_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->cap = 1024;
    self->data = calloc(1, self->cap);
    if (self->data == NULL) abort();
    put32(self->data, 1);
    put32(self->data + 8, type);
    put32(self->data + 16, 1);
    self->used = ARRAY_HEADER;
    return self;
}

void db_array_destroy(db_array_t **self_p)
{
    if (*self_p == NULL) return;
    free((*self_p)->data);
    free(*self_p);
    *self_p = NULL;
}

void db_array_add(db_array_t *self, const void *data, size_t size)
{
    reserve(self, 4 + size);
    put32(self->data + self->used, (uint32_t)size);
    if (size > 0) memcpy(self->data + self->used + 4, data, size);
    self->used += 4 + size;
    self->count++;
}

size_t db_array_count(const db_array_t *self)
{
    return self->count;
}

void db_array_clear(db_array_t *self)
{
    self->used = ARRAY_HEADER;
    self->count = 0;
}

db_param db_array_param(db_array_t *self)
{
    put32(self->data + 12, (uint32_t)self->count);
    return db_param_bytes(self->data, self->used);
}

int64_t db_number(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column)) return 0;
    const uint8_t *data = (const uint8_t *)PQgetvalue(result, row, column);
    int size = PQgetlength(result, row, column);
    uint64_t value = size > 0 && (data[0] & 0x80) ? UINT64_MAX : 0; /* the sign goes on to the left */
    for (int i = 0; i < size && i < 8; i++) value = value << 8 | data[i];
    return (int64_t)value;
}

bool db_flag(const PGresult *result, int row, int column)
{
    return !PQgetisnull(result, row, column) && PQgetvalue(result, row, column)[0] != 0;
}

char *db_text(const PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column);
}

uint8_t *db_bytes(const PGresult *result, int row, int column, size_t *ret_size)
{
    *ret_size = (size_t)PQgetlength(result, row, column);
    return (uint8_t *)PQgetvalue(result, row, column);
}
