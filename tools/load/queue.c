/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/queue.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 64 };

static void grow(queue_t *self)
{
    size_t capacity = self->capacity > 0 ? 2 * self->capacity : FIRST_CAPACITY;
    uint64_t *values = calloc(capacity, sizeof *values);
    if (!values) abort();
    for (size_t i = 0; i < self->count; i++) values[i] = self->values[(self->first + i) % self->capacity];
    free(self->values);
    *self = (queue_t){.values = values, .count = self->count, .capacity = capacity};
}

void queue_push(queue_t *self, uint64_t value)
{
    if (self->count == self->capacity) grow(self);
    self->values[(self->first + self->count++) % self->capacity] = value;
}

bool queue_pop(queue_t *self, uint64_t *ret_value)
{
    if (self->count == 0) return false;
    *ret_value = self->values[self->first];
    self->first = (self->first + 1) % self->capacity;
    self->count--;
    return true;
}

uint64_t queue_peek(const queue_t *self)
{
    assert(self->count > 0);
    return self->values[self->first];
}

void queue_clear(queue_t *self)
{
    free(self->values);
    *self = (queue_t){0};
}
