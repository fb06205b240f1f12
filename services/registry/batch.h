/* SPDX-License-Identifier: Apache-2.0 */
/* Many look-ups in one statement: the calls of one loop turn, and those that arrive while earlier ones are under way.
 */
#ifndef MYKEY_REGISTRY_BATCH_H
#define MYKEY_REGISTRY_BATCH_H

#include <libpq-fe.h>

#include "common/db/db.h"

typedef struct batch batch_t;
struct call;
struct registry;

enum { BATCH_MAX = 256, BATCH_FLIGHTS = 1 };

typedef struct batch_spec {
    unsigned statement;
    db_array_of types[2]; /* of the statement's parameters; the second 0 if there is one only */
    void (*add)(const struct call *call, db_array_t *const arrays[2]);
    /* Rows first … first+count-1 are this call's; the first column is its number, the second its code's name. */
    void (*answer)(struct call *call, const PGresult *rows, int first, int count);
} batch_spec;

batch_t *batch_new(struct registry *registry, const batch_spec *spec);
void batch_destroy(batch_t **self_p);
void batch_add(batch_t *self, struct call *call);

#endif
