/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: sends each query on the connection with the least under way. */
#include "common/db/db.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/db/link.h"

enum { CONNECTIONS_MAX = 16, TICK_MS = 25 };

/* A query that can't be sent is answered from the loop all the same. */
typedef struct refusal {
    struct refusal *next;
    mk_code code;
    db_result_fn *fn;
    void *arg;
} refusal;

struct db {
    zloop_t *loop;
    db_options options;
    db_state_fn *on_state;
    void *arg;
    db_link_t *links[CONNECTIONS_MAX];
    unsigned up;
    refusal *refused, **last_refused;
    int tick, refuse_timer; /* timers, -1 = none */
    metric_t *queries, *seconds, *connections;
};

static void link_up(bool up, void *arg)
{
    db_t *self = arg;
    unsigned before = self->up;
    self->up = up ? self->up + 1 : self->up - 1;
    metric_set(self->connections, self->up, NULL, NULL, NULL, NULL);
    if ((before == 0) != (self->up == 0) && self->on_state != NULL) self->on_state(up, self->arg);
}

static void query_done(size_t statement, mk_code code, double seconds, void *arg)
{
    db_t *self = arg;
    const char *name = self->options.statements[statement].name;
    metric_add(self->queries, 1, name, mk_code_name(code), NULL, NULL);
    metric_observe(self->seconds, seconds, name, NULL, NULL, NULL);
}

static void declare_metrics(db_t *self)
{
    metrics_t *metrics = self->options.metrics;
    self->queries =
        metrics_declare(metrics, METRIC_COUNTER, "mykey_db_queries_total", "Statements answered.", "statement,code");
    self->seconds = metrics_declare(metrics, METRIC_HISTOGRAM, "mykey_db_query_duration_seconds",
                                    "Time from sending a statement to its answer.", "statement");
    self->connections =
        metrics_declare(metrics, METRIC_GAUGE, "mykey_db_connections_up", "Connections in use to the database.", "");
}

mk_code db_new(zloop_t *loop, const db_options *options, db_state_fn *on_state, void *arg, db_t **ret_db)
{
    MK_ENSURE(options->connections >= 1 && options->connections <= CONNECTIONS_MAX, MK_BAD_REQUEST);
    for (size_t i = 0; i < options->statement_count; i++) assert(options->statements[i].param_count <= DB_PARAMS_MAX);
    db_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->loop = loop;
    self->options = *options;
    self->on_state = on_state;
    self->arg = arg;
    self->tick = self->refuse_timer = -1;
    self->last_refused = &self->refused;
    declare_metrics(self);
    db_link_events events = {link_up, query_done, self};
    for (unsigned i = 0; i < options->connections; i++) self->links[i] = db_link_new(loop, options, &events);
    *ret_db = self;
    return MK_OK;
}

void db_destroy(db_t **self_p)
{
    db_t *self = *self_p;
    if (self == NULL) return;
    for (unsigned i = 0; i < self->options.connections; i++) db_link_destroy(&self->links[i]);
    if (self->tick >= 0) zloop_timer_end(self->loop, self->tick);
    if (self->refuse_timer >= 0) zloop_timer_end(self->loop, self->refuse_timer);
    while (self->refused != NULL) {
        refusal *next = self->refused->next;
        free(self->refused);
        self->refused = next;
    }
    free(self);
    *self_p = NULL;
}

static int on_refuse(zloop_t *loop, int timer, void *arg)
{
    db_t *self = arg;
    (void)loop, (void)timer;
    refusal *item = self->refused;
    self->refuse_timer = -1;
    self->refused = NULL;
    self->last_refused = &self->refused;
    while (item != NULL) {
        refusal *next = item->next;
        item->fn(item->code, "", NULL, item->arg);
        free(item);
        item = next;
    }
    return 0;
}

static void refuse(db_t *self, mk_code code, db_result_fn *fn, void *arg)
{
    refusal *item = calloc(1, sizeof *item);
    if (item == NULL) abort();
    *item = (refusal){NULL, code, fn, arg};
    *self->last_refused = item;
    self->last_refused = &item->next;
    if (self->refuse_timer < 0) self->refuse_timer = zloop_timer(self->loop, 0, 1, on_refuse, self);
}

/* Runs only while something is under way, so an idle process sleeps. */
static int on_tick(zloop_t *loop, int timer, void *arg)
{
    db_t *self = arg;
    uint64_t now_us = clock_mono_us();
    for (unsigned i = 0; i < self->options.connections; i++) db_link_tick(self->links[i], now_us);
    if (db_outstanding(self) == 0) {
        zloop_timer_end(loop, timer);
        self->tick = -1;
    }
    return 0;
}

static db_link_t *least_loaded(const db_t *self)
{
    db_link_t *best = NULL;
    for (unsigned i = 0; i < self->options.connections; i++) {
        db_link_t *link = self->links[i];
        if (!db_link_is_up(link)) continue;
        if (best == NULL || db_link_load(link) < db_link_load(best)) best = link;
    }
    return best;
}

void db_query(db_t *self, size_t statement, const db_param *params, uint32_t timeout_ms, db_result_fn *fn, void *arg)
{
    assert(statement < self->options.statement_count);
    db_link_t *link = least_loaded(self);
    if (link == NULL || db_outstanding(self) >= DB_OUTSTANDING_MAX) {
        mk_code code = link == NULL ? MK_UNAVAILABLE : MK_BUSY;
        query_done(statement, code, 0, self);
        refuse(self, code, fn, arg);
        return;
    }
    if (timeout_ms < 1) timeout_ms = 1;
    if (timeout_ms > 60000) timeout_ms = 60000;
    db_link_query(link, statement, params, timeout_ms, fn, arg);
    if (self->tick < 0) self->tick = zloop_timer(self->loop, TICK_MS, 0, on_tick, self);
}

unsigned db_outstanding(const db_t *self)
{
    unsigned count = 0;
    for (unsigned i = 0; i < self->options.connections; i++) count += db_link_load(self->links[i]);
    return count;
}
