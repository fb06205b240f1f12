/* SPDX-License-Identifier: Apache-2.0 */
/* At most BATCH_FLIGHTS statements are under way: what comes meanwhile makes the next one larger, so the load sets the
 * size and an idle service answers at once. */
#include "services/registry/batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "services/registry/call.h"

typedef struct batch_flight {
    batch_t *batch;
    unsigned count;
    call_t *calls[BATCH_MAX];
} batch_flight;

struct batch {
    registry_t *registry;
    batch_spec spec;
    db_array_t *arrays[2];
    call_t *first, **last;
    unsigned waiting, flights;
    int timer; /* -1 = none */
};

static void pump(batch_t *self);

static void answer_flight(batch_flight *flight, const PGresult *rows)
{
    int row = 0, end = PQntuples(rows);
    for (unsigned i = 0; i < flight->count; i++) {
        int first = row;
        while (row < end && db_number(rows, row, 0) == (int64_t)i + 1) row++;
        if (row == first) {
            call_reply(flight->calls[i], MK_INTERNAL, NULL); /* the statement answers every key */
        } else {
            flight->batch->spec.answer(flight->calls[i], rows, first, row - first);
        }
    }
}

static void on_result(mk_code code, const char *sqlstate, const PGresult *result, void *arg)
{
    batch_flight *flight = arg;
    batch_t *self = flight->batch;
    if (code == MK_OK) {
        answer_flight(flight, result);
    } else {
        if (code == MK_INTERNAL) {
            log_error("statement_failed", LOG_TEXT(DETAIL, registry_statements[self->spec.statement].name),
                      LOG_TEXT(STATE, sqlstate));
        }
        for (unsigned i = 0; i < flight->count; i++) call_reply(flight->calls[i], code, NULL);
    }
    free(flight);
    self->flights--;
    pump(self);
}

static call_t *take(batch_t *self)
{
    call_t *call = self->first;
    self->first = call->next;
    if (self->first == NULL) self->last = &self->first;
    self->waiting--;
    return call;
}

static void send_flight(batch_t *self)
{
    batch_flight *made = calloc(1, sizeof *made);
    if (made == NULL) abort();
    made->batch = self;
    uint32_t longest_ms = 0;
    for (unsigned i = 0; i < 2; i++) {
        if (self->arrays[i] != NULL) db_array_clear(self->arrays[i]);
    }
    while (self->first != NULL && made->count < BATCH_MAX) {
        call_t *call = take(self);
        uint32_t left_ms = bus_job_remaining_ms(call->job);
        if (left_ms > longest_ms) longest_ms = left_ms;
        self->spec.add(call, self->arrays);
        made->calls[made->count++] = call;
    }
    db_param params[2];
    for (unsigned i = 0; i < 2; i++) {
        if (self->arrays[i] != NULL) params[i] = db_array_param(self->arrays[i]);
    }
    self->flights++;
    const char *name = registry_statements[self->spec.statement].name;
    metric_add(self->registry->batches, 1, name, NULL, NULL, NULL);
    metric_add(self->registry->batched, made->count, name, NULL, NULL, NULL);
    db_query(self->registry->db, self->spec.statement, params, longest_ms, on_result, made);
}

static void pump(batch_t *self)
{
    while (self->first != NULL && self->flights < BATCH_FLIGHTS) send_flight(self);
}

static int on_timer(zloop_t *loop, int timer, void *arg)
{
    batch_t *self = arg;
    (void)loop, (void)timer;
    self->timer = -1;
    pump(self);
    return 0;
}

batch_t *batch_new(registry_t *registry, const batch_spec *spec)
{
    batch_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->registry = registry;
    self->spec = *spec;
    self->last = &self->first;
    self->timer = -1;
    for (unsigned i = 0; i < 2; i++) {
        if (spec->types[i] != 0) self->arrays[i] = db_array_new(spec->types[i]);
    }
    return self;
}

void batch_destroy(batch_t **self_p)
{
    batch_t *self = *self_p;
    if (self == NULL) return;
    if (self->timer >= 0) zloop_timer_end(self->registry->loop, self->timer);
    for (unsigned i = 0; i < 2; i++) db_array_destroy(&self->arrays[i]);
    free(self);
    *self_p = NULL;
}

void batch_add(batch_t *self, call_t *call)
{
    call->next = NULL;
    *self->last = call;
    self->last = &call->next;
    self->waiting++;
    if (self->flights >= BATCH_FLIGHTS) return; /* the next answer takes it along */
    if (self->waiting >= BATCH_MAX) {
        pump(self);
    } else if (self->timer < 0) {
        self->timer = zloop_timer(self->registry->loop, 0, 1, on_timer, self);
    }
}
