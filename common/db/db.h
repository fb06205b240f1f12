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
    bool binary; /* results in binary: read them with db_number, db_flag, db_text, db_bytes */
} db_statement;

typedef struct db_options {
    const char *conninfo; /* libpq; the password only through passfile or peer authentication */
    const char *session;  /* settings of every session, as libpq's "options": "-c NAME=VALUE ..."; NULL = none */
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
 * BUSY (lock not available, deadlock, or DB_OUTSTANDING_MAX waiting: nothing was executed); CONFLICT (unique
 * violation); INTERNAL (any other SQL error; sqlstate holds its 5 characters, "" if none). result is NULL unless OK and
 * valid during the callback. */
typedef void db_result_fn(mk_code code, const char *sqlstate, const PGresult *result, void *arg);

enum { DB_OUTSTANDING_MAX = 4096, DB_PARAMS_MAX = 24 };

/* statement: index into the table. One statement is one transaction. fn is told DEADLINE_EXCEEDED after timeout_ms
 * (1 … 60000; answered to about 25 ms); the server cancels the statement at the next power of two. Parameters are
 * copied. fn is never called from inside db_query, and not after db_destroy. */
void db_query(db_t *self, size_t statement, const db_param *params, uint32_t timeout_ms, db_result_fn *fn, void *arg);

unsigned db_outstanding(const db_t *self);

/* ---- parameters ---- */

static inline db_param db_param_text(const char *text)
{
    return (db_param){text, 0, false};
}
static inline db_param db_param_bytes(const void *data, size_t size)
{
    return (db_param){data, (int)size, true};
}

/* A bigint: the caller keeps the storage until db_query has returned. */
typedef struct db_int8 {
    uint8_t bytes[8];
} db_int8;
db_param db_param_number(db_int8 *storage, int64_t value);

/* bytea[] or text[] in binary, grown as needed. */
typedef struct db_array db_array_t;
typedef enum db_array_of { DB_ARRAY_BYTEA = 17, DB_ARRAY_TEXT = 25, DB_ARRAY_UUID = 2950 } db_array_of;
db_array_t *db_array_new(db_array_of type);
void db_array_destroy(db_array_t **self_p);
void db_array_add(db_array_t *self, const void *data, size_t size);
size_t db_array_count(const db_array_t *self);
void db_array_clear(db_array_t *self);
db_param db_array_param(db_array_t *self); /* valid until the next change */

/* ---- binary results ---- */

/* int2, int4 or int8; 0 for NULL. */
int64_t db_number(const PGresult *result, int row, int column);
bool db_flag(const PGresult *result, int row, int column);
/* NUL-terminated, owned by the result; "" for NULL. */
char *db_text(const PGresult *result, int row, int column);
uint8_t *db_bytes(const PGresult *result, int row, int column, size_t *ret_size);

#endif
