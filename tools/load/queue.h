/* SPDX-License-Identifier: Apache-2.0 */
/* First in, first out, of numbers; grows as needed. */
#ifndef MYKEY_LOAD_QUEUE_H
#define MYKEY_LOAD_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct queue {
    uint64_t *values; /* a ring; all zero: empty */
    size_t first, count, capacity;
} queue_t;

/* Aborts when out of memory. */
void queue_push(queue_t *self, uint64_t value);

/* False when empty. */
bool queue_pop(queue_t *self, uint64_t *ret_value);

/* The oldest; only when not empty. */
uint64_t queue_peek(const queue_t *self);

void queue_clear(queue_t *self);

#endif
