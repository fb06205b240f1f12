/* SPDX-License-Identifier: Apache-2.0 */
/* States: DOWN (waiting to try again) → CONNECTING → PREPARING → UP → DOWN.
 *
 * A query is sent as Bind/Execute/Sync, so each is a transaction of its own and an error ends with its Sync. Answers
 * come in the order of the queries. The server's statement_timeout is set by a query of its own when another power of
 * two is needed: a cancel request could hit the query behind the one it meant. A query that is past its time is
 * answered at once and stays in the queue until the server's answer has come by. */
#include "common/db/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"

enum {
    CONNECT_LIMIT_MS = 5000,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 5000,
    HANG_GRACE_US = 3000000,
    SET_TIMEOUT = -1, /* statement numbers of our own queries */
    PREPARE = -2,
};

typedef enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_PREPARING, LINK_UP } link_state;

typedef struct query {
    struct query *next;
    long statement;
    db_result_fn *fn; /* NULL: ours, or answered already */
    void *arg;
    uint64_t sent_us, deadline_us;
    uint64_t patience_us; /* as the first of the queue */
    mk_code code;         /* of the answer that was read, told at its Sync */
    char sqlstate[6];
    PGresult *result;
} query;

struct db_link {
    zloop_t *loop;
    db_options options;
    db_link_events events;
    link_state state;
    PGconn *conn;
    int fd; /* in the poller, -1 = none */
    short interest;
    int timer; /* back-off or connect limit, -1 = none */
    unsigned backoff_ms;
    unsigned server_timeout_ms;
    bool broken; /* libpq refused to send */
    query *first, **last;
    uint64_t first_since_us;
    unsigned load;
};

static void drop(db_link_t *self);
static int on_socket(zloop_t *loop, zmq_pollitem_t *item, void *arg);

/* ---- the poller ---- */

static void unwatch(db_link_t *self)
{
    if (self->fd < 0) return;
    zmq_pollitem_t item = {NULL, self->fd, 0, 0};
    zloop_poller_end(self->loop, &item);
    self->fd = -1;
}

static void watch(db_link_t *self, short interest)
{
    int fd = PQsocket(self->conn);
    if (fd == self->fd && interest == self->interest) return;
    unwatch(self);
    if (fd < 0) return;
    zmq_pollitem_t item = {NULL, fd, interest, 0};
    self->fd = fd;
    self->interest = interest;
    zloop_poller(self->loop, &item, on_socket, self);
    zloop_poller_set_tolerant(self->loop, &item);
}

static void set_timer(db_link_t *self, unsigned delay_ms, zloop_timer_fn *fn)
{
    if (self->timer >= 0) zloop_timer_end(self->loop, self->timer);
    self->timer = fn == NULL ? -1 : zloop_timer(self->loop, delay_ms, 1, fn, self);
}

/* Sends what libpq holds back; waits for room only while there is something left. */
static void flush(db_link_t *self)
{
    int left = PQflush(self->conn);
    if (left < 0) return; /* the reader sees the loss */
    watch(self, left > 0 ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN);
}

/* ---- queries under way ---- */

static query *push(db_link_t *self, long statement, db_result_fn *fn, void *arg)
{
    query *item = calloc(1, sizeof *item);
    if (item == NULL) abort();
    item->statement = statement;
    item->fn = fn;
    item->arg = arg;
    item->code = MK_INTERNAL;
    item->sent_us = clock_mono_us();
    item->deadline_us = UINT64_MAX;
    item->patience_us = HANG_GRACE_US;
    if (self->first == NULL) self->first_since_us = item->sent_us;
    *self->last = item;
    self->last = &item->next;
    self->load++;
    return item;
}

static query *pop(db_link_t *self)
{
    query *item = self->first;
    self->first = item->next;
    if (self->first == NULL) self->last = &self->first;
    self->load--;
    self->first_since_us = clock_mono_us();
    return item;
}

static void answer(db_link_t *self, query *item, mk_code code)
{
    db_result_fn *fn = item->fn;
    if (fn == NULL) return;
    item->fn = NULL;
    double seconds = (double)(clock_mono_us() - item->sent_us) / 1e6;
    self->events.done((size_t)item->statement, code, seconds, self->events.arg);
    fn(code, item->sqlstate, code == MK_OK ? item->result : NULL, item->arg);
}

static void free_query(query *item)
{
    PQclear(item->result);
    free(item);
}

static const struct {
    const char *state; /* SQLSTATE or the class it begins with */
    mk_code code;
} sqlstates[] = {
    {"57014", MK_DEADLINE_EXCEEDED}, /* statement_timeout */
    {"23505", MK_CONFLICT},          /* unique_violation */
    {"55P03", MK_BUSY},              /* lock_not_available */
    {"40001", MK_BUSY},              /* serialization_failure */
    {"40P01", MK_BUSY},              /* deadlock_detected */
    {"57P", MK_UNAVAILABLE},         /* shutdown, crash recovery */
    {"53", MK_UNAVAILABLE},          /* out of something */
    {"08", MK_UNAVAILABLE},          /* connection */
    {"25006", MK_UNAVAILABLE},       /* read-only: a standby */
};

static mk_code code_of(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof sqlstates / sizeof sqlstates[0]; i++) {
        if (strncmp(sqlstate, sqlstates[i].state, strlen(sqlstates[i].state)) == 0) return sqlstates[i].code;
    }
    return MK_INTERNAL;
}

static void keep_result(query *item, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        item->code = MK_OK;
        PQclear(item->result);
        item->result = result;
        return;
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    snprintf(item->sqlstate, sizeof item->sqlstate, "%s", state == NULL ? "" : state);
    item->code = state == NULL ? MK_UNAVAILABLE : code_of(state);
    PQclear(result);
}

/* The Sync of the first query came by: it is over. False: the connection is of no use. */
static bool finish_first(db_link_t *self)
{
    query *item = pop(self);
    bool usable = item->code == MK_OK || item->statement >= 0;
    answer(self, item, item->code);
    free_query(item);
    if (usable && self->state == LINK_PREPARING && self->first == NULL) {
        self->state = LINK_UP;
        self->backoff_ms = BACKOFF_FIRST_MS;
        set_timer(self, 0, NULL);
        self->events.up(true, self->events.arg);
    }
    return usable;
}

/* Reads all answers that are there. NULL between results of one query is only a mark. */
static bool read_answers(db_link_t *self)
{
    bool marked = false;
    while (self->first != NULL && !PQisBusy(self->conn)) {
        PGresult *result = PQgetResult(self->conn);
        if (result == NULL) {
            if (marked || PQstatus(self->conn) != CONNECTION_OK) return PQstatus(self->conn) == CONNECTION_OK;
            marked = true;
            continue;
        }
        marked = false;
        if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
            keep_result(self->first, result);
            continue;
        }
        PQclear(result);
        if (!finish_first(self)) return false;
    }
    return PQstatus(self->conn) == CONNECTION_OK;
}

/* ---- connecting ---- */

static void send_prepares(db_link_t *self)
{
    for (size_t i = 0; i < self->options.statement_count; i++) {
        const db_statement *statement = &self->options.statements[i];
        PQsendPrepare(self->conn, statement->name, statement->sql, 0, NULL);
        PQpipelineSync(self->conn);
        push(self, PREPARE, NULL, NULL);
    }
    PQsendPrepare(self->conn, "set_timeout", "SELECT set_config('statement_timeout', $1, false)", 0, NULL);
    PQpipelineSync(self->conn);
    push(self, PREPARE, NULL, NULL);
    flush(self);
}

static void connected(db_link_t *self)
{
    if (PQenterPipelineMode(self->conn) != 1) {
        drop(self);
        return;
    }
    self->state = LINK_PREPARING;
    self->server_timeout_ms = 0;
    self->broken = false;
    send_prepares(self);
}

static void go_on_connecting(db_link_t *self)
{
    switch (PQconnectPoll(self->conn)) {
    case PGRES_POLLING_READING: watch(self, ZMQ_POLLIN); break;
    case PGRES_POLLING_WRITING: watch(self, ZMQ_POLLOUT); break;
    case PGRES_POLLING_OK: connected(self); break;
    default: drop(self);
    }
}

static int on_connect_limit(zloop_t *loop, int timer, void *arg)
{
    db_link_t *self = arg;
    (void)loop, (void)timer;
    self->timer = -1;
    drop(self);
    return 0;
}

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg, (void)result;
}

static int on_retry(zloop_t *loop, int timer, void *arg)
{
    db_link_t *self = arg;
    (void)loop, (void)timer;
    self->timer = -1;
    self->state = LINK_CONNECTING;
    const char *const names[] = {"dbname", "options", NULL};
    const char *const values[] = {self->options.conninfo, self->options.session, NULL};
    self->conn = PQconnectStartParams(names, values, 1);
    if (self->conn == NULL) abort();
    if (PQstatus(self->conn) == CONNECTION_BAD || PQsetnonblocking(self->conn, 1) != 0) {
        drop(self);
        return 0;
    }
    PQsetNoticeReceiver(self->conn, ignore_notice, NULL);
    set_timer(self, CONNECT_LIMIT_MS, on_connect_limit);
    watch(self, ZMQ_POLLOUT);
    return 0;
}

/* Gives the connection up, answers what was under way, tries again after a while. */
static void drop(db_link_t *self)
{
    bool was_up = self->state == LINK_UP;
    unwatch(self);
    PQfinish(self->conn);
    self->conn = NULL;
    self->state = LINK_DOWN;
    unsigned jitter = bytes_random_below(self->backoff_ms / 2 + 1);
    set_timer(self, self->backoff_ms + jitter, on_retry);
    self->backoff_ms = self->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : self->backoff_ms * 2;
    query *item = self->first;
    self->first = NULL;
    self->last = &self->first;
    self->load = 0;
    if (was_up) self->events.up(false, self->events.arg);
    while (item != NULL) {
        query *next = item->next;
        answer(self, item, MK_UNAVAILABLE); /* even one that was read: without its Sync it may be rolled back */
        free_query(item);
        item = next;
    }
}

static int on_socket(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    db_link_t *self = arg;
    (void)loop;
    if (self->state == LINK_DOWN) return 0;
    if (self->state == LINK_CONNECTING) {
        go_on_connecting(self);
        return 0;
    }
    bool ok = true;
    if (item->revents & (ZMQ_POLLIN | ZMQ_POLLERR)) ok = PQconsumeInput(self->conn) == 1;
    /* What came before the end is still read: it may hold answers. */
    if (!read_answers(self) || !ok) {
        drop(self);
        return 0;
    }
    flush(self);
    return 0;
}

/* ---- public ---- */

db_link_t *db_link_new(zloop_t *loop, const db_options *options, const db_link_events *events)
{
    db_link_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->loop = loop;
    self->options = *options;
    self->events = *events;
    self->fd = -1;
    self->last = &self->first;
    self->backoff_ms = BACKOFF_FIRST_MS;
    self->timer = zloop_timer(loop, 0, 1, on_retry, self);
    return self;
}

void db_link_destroy(db_link_t **self_p)
{
    db_link_t *self = *self_p;
    if (self == NULL) return;
    unwatch(self);
    set_timer(self, 0, NULL);
    PQfinish(self->conn);
    while (self->first != NULL) free_query(pop(self));
    free(self);
    *self_p = NULL;
}

bool db_link_is_up(const db_link_t *self)
{
    return self->state == LINK_UP;
}

unsigned db_link_load(const db_link_t *self)
{
    return self->load;
}

static unsigned power_of_two(uint32_t timeout_ms)
{
    unsigned value = 64;
    while (value < timeout_ms && value < 65536) value *= 2;
    return value;
}

/* A larger limit that was set before is not lowered while it is less than eight times too large: fewer switches. */
static void set_server_timeout(db_link_t *self, uint32_t timeout_ms)
{
    unsigned wanted = power_of_two(timeout_ms);
    if (wanted <= self->server_timeout_ms && self->server_timeout_ms < 8 * wanted) return;
    char text[16];
    const char *values[] = {text};
    snprintf(text, sizeof text, "%u", wanted);
    if (PQsendQueryPrepared(self->conn, "set_timeout", 1, values, NULL, NULL, 0) != 1 ||
        PQpipelineSync(self->conn) != 1) {
        self->broken = true;
    }
    push(self, SET_TIMEOUT, NULL, NULL);
    self->server_timeout_ms = wanted;
}

void db_link_query(db_link_t *self, size_t statement, const db_param *params, uint32_t timeout_ms, db_result_fn *fn,
                   void *arg)
{
    const db_statement *row = &self->options.statements[statement];
    const char *values[DB_PARAMS_MAX];
    int sizes[DB_PARAMS_MAX], formats[DB_PARAMS_MAX];
    for (int i = 0; i < row->param_count; i++) {
        values[i] = params[i].data;
        sizes[i] = params[i].size;
        formats[i] = params[i].binary;
    }
    set_server_timeout(self, timeout_ms);
    bool sent =
        PQsendQueryPrepared(self->conn, row->name, row->param_count, values, sizes, formats, row->binary) == 1 &&
        PQpipelineSync(self->conn) == 1;
    query *item = push(self, (long)statement, fn, arg);
    item->deadline_us = item->sent_us + (uint64_t)timeout_ms * 1000;
    item->patience_us = (uint64_t)self->server_timeout_ms * 1000 + HANG_GRACE_US;
    if (!sent) self->broken = true; /* the next tick drops it: callbacks never run from here */
    flush(self);
}

void db_link_tick(db_link_t *self, uint64_t now_us)
{
    for (query *item = self->first; item != NULL; item = item->next) {
        if (item->fn == NULL || now_us < item->deadline_us) continue;
        item->code = MK_DEADLINE_EXCEEDED;
        answer(self, item, MK_DEADLINE_EXCEEDED);
    }
    if (self->first == NULL) return;
    if (self->broken || now_us >= self->first_since_us + self->first->patience_us) drop(self);
}
