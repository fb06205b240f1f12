/* SPDX-License-Identifier: Apache-2.0 */
/* One connection in pipeline mode; private to common/db. It knows the queries that are under way on it, in order. */
#ifndef MYKEY_DB_LINK_H
#define MYKEY_DB_LINK_H

#include "common/db/db.h"

typedef struct db_link db_link_t;

/* up(true) when connected and all statements are prepared; up(false) when it was up and is lost. */
typedef struct db_link_events {
    void (*up)(bool up, void *arg);
    void (*done)(size_t statement, mk_code code, double seconds, void *arg); /* each query, for metrics */
    void *arg;
} db_link_events;

db_link_t *db_link_new(zloop_t *loop, const db_options *options, const db_link_events *events);
void db_link_destroy(db_link_t **self_p); /* waiting callbacks are dropped */

bool db_link_is_up(const db_link_t *self);
unsigned db_link_load(const db_link_t *self);

void db_link_query(db_link_t *self, size_t statement, const db_param *params, uint32_t timeout_ms, db_result_fn *fn,
                   void *arg);

/* Every 25 ms while anything is under way: answers what is past its time, drops a connection that hangs. */
void db_link_tick(db_link_t *self, uint64_t now_us);

#endif
