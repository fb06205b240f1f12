/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL from the loop: a few connections in pipeline mode, prepared statements from a table, no string SQL. */
#ifndef MYKEY_DB_DB_H
#define MYKEY_DB_DB_H

#include <czmq.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"
#include "common/metrics/metrics.h"

typedef struct db db_t;

typedef struct db_statement {
    const char *name; /* short, static */
    const char *sql;  /* static text with $1 … */
    int param_count;
} db_statement;

typedef struct db_options {
    const char *conninfo; /* libpq; the password only through passfile or peer authentication */
    unsigned connections; /* 1 … 16 */
    const db_statement *statements;
    size_t statement_count;
    metrics_t *metrics;
} db_options;

/* Connects in the background and reconnects with back-off; on_state tells whether a connection is up. */
typedef void db_state_fn(bool up, void *arg);
mk_code db_new(zloop_t *loop, const db_options *options, db_state_fn *on_state, void *arg, db_t **ret_db) MK_CHECKED;
void db_destroy(db_t **self_p);

typedef struct db_param {
    const void *data; /* NULL = SQL NULL */
    int size;         /* binary size; ignored for text */
    bool binary;      /* bytea, int8 and uuid in network order; else NUL-terminated text */
} db_param;

/* Called once from the loop. code: OK; UNAVAILABLE (no connection, or lost: executed unknown); DEADLINE_EXCEEDED;
 * CONFLICT (unique violation), INTERNAL (any other SQL error; sqlstate holds its 5 characters, "" if none). result is
 * NULL unless OK and valid during the callback (text format unless the statement's options say binary). */
typedef void db_result_fn(mk_code code, const char *sqlstate, const PGresult *result, void *arg);

/* statement: index into the table. One statement is one transaction. timeout_ms limits it (cancelled at the server). */
void db_query(db_t *self, size_t statement, const db_param *params, uint32_t timeout_ms, db_result_fn *fn, void *arg);

unsigned db_outstanding(const db_t *self);

#endif
