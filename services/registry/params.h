/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of one statement, added in their order; texts and bytes are not copied until db_query. */
#ifndef MYKEY_REGISTRY_PARAMS_H
#define MYKEY_REGISTRY_PARAMS_H

#include "common/db/db.h"

typedef struct params {
    db_param list[DB_PARAMS_MAX];
    db_int8 numbers[DB_PARAMS_MAX];
    unsigned count;
} params_t;

static inline void params_text(params_t *self, const char *text)
{
    self->list[self->count++] = db_param_text(text == NULL ? "" : text);
}

static inline void params_bytes(params_t *self, const void *data, size_t size)
{
    self->list[self->count++] = db_param_bytes(data, size);
}

static inline void params_number(params_t *self, int64_t value)
{
    self->list[self->count] = db_param_number(&self->numbers[self->count], value);
    self->count++;
}

static inline void params_flag(params_t *self, bool value)
{
    self->list[self->count++] = db_param_text(value ? "t" : "f");
}

static inline void params_array(params_t *self, db_array_t *array)
{
    self->list[self->count++] = db_array_param(array);
}

#endif
