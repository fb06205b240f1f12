/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/replay.h"

#include <stdlib.h>

#include "common/log/log.h"
#include "services/registry/context.h"
#include "services/registry/params.h"

enum { AT_ONCE = 1000, AGAIN_MS = 1000, STEP_TIMEOUT_MS = 30000 };

struct replay {
    registry_t *registry;
    void (*done)(registry_t *registry);
    deletion_reader_t *reader;
    int timer;  /* -1 = none */
    bool asked; /* a statement is under way */
    bool again; /* from the first line, when it is answered */
    int64_t deleted;
};

static void step(replay_t *self);

static int on_timer(zloop_t *loop, int timer, void *arg)
{
    replay_t *self = arg;
    (void)loop, (void)timer;
    self->timer = -1;
    replay_start(self);
    return 0;
}

void replay_soon(replay_t *self)
{
    if (self->timer < 0) self->timer = zloop_timer(self->registry->loop, AGAIN_MS, 1, on_timer, self);
}

static void finish(replay_t *self)
{
    size_t malformed = deletion_reader_malformed(self->reader);
    deletion_reader_close(&self->reader);
    if (malformed > 0) {
        log_warn("deletion_log_malformed", LOG_TEXT(FILE, deletion_log_path(self->registry->deletions)),
                 LOG_NUMBER(COUNT, malformed));
    }
    if (self->deleted > 0) log_warn("deletions_replayed", LOG_NUMBER(COUNT, self->deleted));
    self->done(self->registry);
}

static void on_result(mk_code code, const char *sqlstate, const PGresult *result, void *arg)
{
    replay_t *self = arg;
    (void)sqlstate;
    self->asked = false;
    if (self->again || code != MK_OK) {
        deletion_reader_close(&self->reader);
        replay_soon(self);
        return;
    }
    self->deleted += db_number(result, 0, 1);
    step(self);
}

static void step(replay_t *self)
{
    uint8_t holder[16];
    db_array_t *holders = db_array_new(DB_ARRAY_UUID);
    while (db_array_count(holders) < AT_ONCE && deletion_reader_next(self->reader, holder)) {
        db_array_add(holders, holder, sizeof holder);
    }
    if (db_array_count(holders) == 0) {
        finish(self);
    } else {
        params_t params = {.count = 0};
        params_array(&params, holders);
        self->asked = true;
        db_query(self->registry->db, STATEMENT_DELETE_HOLDERS, params.list, STEP_TIMEOUT_MS, on_result, self);
    }
    db_array_destroy(&holders);
}

void replay_stop(replay_t *self)
{
    if (self->timer >= 0) zloop_timer_end(self->registry->loop, self->timer);
    self->timer = -1;
}

void replay_start(replay_t *self)
{
    replay_stop(self);
    if (self->asked) {
        self->again = true;
        return;
    }
    self->again = false;
    self->deleted = 0;
    deletion_reader_close(&self->reader);
    if (deletion_reader_open(self->registry->deletions, &self->reader) == MK_OK) {
        step(self);
    } else {
        log_error("deletion_log_failed", LOG_TEXT(FILE, deletion_log_path(self->registry->deletions)));
        replay_soon(self);
    }
}

replay_t *replay_new(registry_t *registry, void (*done)(registry_t *registry))
{
    replay_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->registry = registry;
    self->done = done;
    self->timer = -1;
    return self;
}

void replay_destroy(replay_t **self_p)
{
    replay_t *self = *self_p;
    if (self == NULL) return;
    replay_stop(self);
    deletion_reader_close(&self->reader);
    free(self);
    *self_p = NULL;
}
