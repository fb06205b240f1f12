/* SPDX-License-Identifier: Apache-2.0 */
/* Settings, the tables of methods and statements, and the parts' life. */
#include "services/registry/registry.h"

#include <stdlib.h>

#include "common/log/log.h"
#include "services/registry/call.h"
#include "services/registry/resolve.h"
#include "services/registry/terminals.h"

enum { SWEEP_MS = 3600 * 1000, SWEEP_TIMEOUT_MS = 60000 };

/* ---- settings ---- */

static char *database, *ticket_keys_file, *suspend_keys_file, *deletion_log_file, *platform_terms_version;
static int64_t connections, credit;

conf_table registry_conf_table(void)
{
    static const conf_row rows[] = {
        CONF_ROW_TEXT("registry.database", database, NULL, "libpq connection string of the registry database"),
        CONF_ROW_NUMBER("registry.connections", connections, "4", 1, 16, "connections to the database"),
        CONF_ROW_TEXT("registry.ticket_keys", ticket_keys_file, NULL, "key file of tap tickets (mode 0400)"),
        CONF_ROW_TEXT("registry.suspend_keys", suspend_keys_file, NULL, "key file that hashes suspension codes (0400)"),
        CONF_ROW_TEXT("registry.deletion_log", deletion_log_file, NULL,
                      "file of deleted holders' random ids, kept apart from the database"),
        CONF_ROW_TEXT("registry.platform_terms_version", platform_terms_version, NULL,
                      "version of the platform's terms that is in force"),
        CONF_ROW_NUMBER("registry.credit", credit, "256", 1, 4096, "requests at once, per broker"),
    };
    return (conf_table){rows, sizeof rows / sizeof rows[0]};
}

const char *registry_terms_version(void)
{
    return platform_terms_version;
}

/* ---- tables ---- */

#define STATEMENT_ROW(id, name, params, coded, sql) [STATEMENT_##id] = {name, sql, params, true},
const db_statement registry_statements[STATEMENT_COUNT] = {REGISTRY_STATEMENTS(STATEMENT_ROW)};
#undef STATEMENT_ROW

#define STATEMENT_CODED(id, name, params, coded, sql) [STATEMENT_##id] = coded,
const bool registry_statement_coded[STATEMENT_COUNT] = {REGISTRY_STATEMENTS(STATEMENT_CODED)};
#undef STATEMENT_CODED

#define METHOD_HANDLER(name, start, request, from, to)        \
    static void handle_##name(bus_job_t *job, void *ctx)      \
    {                                                         \
        static const method_t row = {#name, start, from, to}; \
        call_run(&row, job, ctx);                             \
    }
REGISTRY_METHODS(METHOD_HANDLER)
#undef METHOD_HANDLER

#define METHOD_ROW(name, start, request, from, to) {#name, handle_##name, &mykey__registry__##request##__descriptor},
static const bus_method methods[] = {REGISTRY_METHODS(METHOD_ROW)};
#undef METHOD_ROW

/* Every act finds its rows by a key: whatever the statistics say, no other plan is better. Said once a session, because
 * settings of a function cost more than a look-up. */
static const char session[] = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off "
                              "-c enable_bitmapscan=off -c plan_cache_mode=force_generic_plan";

/* ---- state ---- */

static void set_ready(registry_t *self, bool ready)
{
    if (self->ready == ready) return;
    self->ready = ready;
    log_info("registry_state", LOG_TEXT(STATE, ready ? "ready" : "not_ready"));
    self->on_state(ready, self->arg);
}

static void on_replayed(registry_t *self)
{
    set_ready(self, true);
}

static void on_database(bool up, void *arg)
{
    registry_t *self = arg;
    if (up) {
        replay_start(self->replay);
    } else {
        replay_stop(self->replay);
        set_ready(self, false);
    }
}

/* ---- sweeping ---- */

static void on_swept(mk_code code, const char *sqlstate, const PGresult *result, void *arg)
{
    registry_t *self = arg;
    if (code == MK_OK) {
        metric_add(self->swept, (double)db_number(result, 0, 1), NULL, NULL, NULL, NULL);
    } else {
        log_warn("sweep_failed", LOG_TEXT(CODE, mk_code_name(code)), LOG_TEXT(STATE, sqlstate));
    }
}

static int on_sweep_timer(zloop_t *loop, int timer, void *arg)
{
    registry_t *self = arg;
    (void)loop, (void)timer;
    if (self->ready) db_query(self->db, STATEMENT_SWEEP, NULL, SWEEP_TIMEOUT_MS, on_swept, self);
    return 0;
}

/* ---- life ---- */

static void declare_metrics(registry_t *self, metrics_t *metrics)
{
    self->requests =
        metrics_declare(metrics, METRIC_COUNTER, "mykey_registry_requests_total", "Requests answered.", "method,code");
    self->seconds = metrics_declare(metrics, METRIC_HISTOGRAM, "mykey_registry_request_duration_seconds",
                                    "Time from a request's arrival to its answer.", "method");
    self->batches = metrics_declare(metrics, METRIC_COUNTER, "mykey_registry_batches_total",
                                    "Statements that looked up many keys at once.", "statement");
    self->batched = metrics_declare(metrics, METRIC_COUNTER, "mykey_registry_batched_keys_total",
                                    "Keys looked up in such statements.", "statement");
    self->swept = metrics_declare(metrics, METRIC_COUNTER, "mykey_registry_swept_rows_total",
                                  "Rows removed because their time was over.", "");
    self->undone = metrics_declare(metrics, METRIC_COUNTER, "mykey_registry_links_undone_total",
                                   "Links undone by operators' staff.", "reason");
}

static mk_code open_files(registry_t *self, const char **ret_why)
{
    MK_TRY(keyring_load(ticket_keys_file, &self->ticket_keys, ret_why));
    MK_TRY(keyring_load(suspend_keys_file, &self->suspend_keys, ret_why));
    *ret_why = "the deletion log can't be opened for appending";
    return deletion_log_open(deletion_log_file, &self->deletions);
}

mk_code registry_new(zloop_t *loop, metrics_t *metrics, registry_state_fn *on_state, void *arg,
                     registry_t **ret_registry, const char **ret_why)
{
    registry_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->loop = loop;
    self->on_state = on_state;
    self->arg = arg;
    self->sweep_timer = -1;
    declare_metrics(self, metrics);
    db_options options = {.conninfo = database,
                          .session = session,
                          .connections = (unsigned)connections,
                          .statements = registry_statements,
                          .statement_count = STATEMENT_COUNT,
                          .metrics = metrics};
    mk_code code = open_files(self, ret_why);
    if (code == MK_OK) code = db_new(loop, &options, on_database, self, &self->db);
    if (code != MK_OK) {
        registry_destroy(&self);
        return code;
    }
    self->replay = replay_new(self, on_replayed);
    self->resolve_batch = resolve_batch_new(self);
    self->terminal_batch = terminal_batch_new(self);
    self->sweep_timer = zloop_timer(loop, SWEEP_MS, 0, on_sweep_timer, self);
    self->service = (bus_service){"registry", 1, (uint32_t)credit, methods, sizeof methods / sizeof methods[0], self};
    *ret_registry = self;
    return MK_OK;
}

void registry_destroy(registry_t **self_p)
{
    registry_t *self = *self_p;
    if (self == NULL) return;
    if (self->sweep_timer >= 0) zloop_timer_end(self->loop, self->sweep_timer);
    batch_destroy(&self->resolve_batch);
    batch_destroy(&self->terminal_batch);
    replay_destroy(&self->replay);
    db_destroy(&self->db);
    deletion_log_close(&self->deletions);
    keyring_destroy(&self->ticket_keys);
    keyring_destroy(&self->suspend_keys);
    free(self);
    *self_p = NULL;
}

const bus_service *registry_service(registry_t *self)
{
    return &self->service;
}
