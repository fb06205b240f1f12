/* SPDX-License-Identifier: Apache-2.0 */
/* Against a real server: MYKEY_TEST_DATABASE is a connection string (tests/integration/test_db.py runs it). */
#include "common/db/db.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"

enum { ECHO_NUMBER, ECHO_TEXT, ECHO_BYTES, ECHO_ARRAYS, DIVIDE, INSERT, RAISE_LOCK, SLEEP, PID, END_SELF, COUNT_ROWS };

static const db_statement statements[] = {
    [ECHO_NUMBER] = {"echo_number", "SELECT $1::bigint, $1::bigint::int, (-2)::smallint, NULL::bigint", 1, true},
    [ECHO_TEXT] = {"echo_text", "SELECT $1::text, NULL::text, true, false", 1, true},
    [ECHO_BYTES] = {"echo_bytes", "SELECT $1::bytea", 1, true},
    [ECHO_ARRAYS] = {"echo_arrays", "SELECT a, b FROM unnest($1::bytea[], $2::text[]) x (a, b)", 2, true},
    [DIVIDE] = {"divide", "SELECT 10 / $1::bigint", 1, true},
    [INSERT] = {"insert", "INSERT INTO once VALUES ($1)", 1, false},
    [RAISE_LOCK] = {"raise_lock", "SELECT raise_lock()", 0, false},
    [SLEEP] = {"sleep", "SELECT pg_sleep($1::bigint / 1000.0)", 1, false},
    [PID] = {"pid", "SELECT pg_backend_pid()", 0, true},
    [END_SELF] = {"end_self", "SELECT pg_terminate_backend(pg_backend_pid())", 0, false},
    [COUNT_ROWS] = {"count_rows", "SELECT count(*) FROM once", 0, true},
};

typedef struct fixture {
    zloop_t *loop;
    metrics_t *metrics;
    db_t *db;
    int ups, downs;
    bool up, destroyed;
    const bool *wanted; /* ends the loop */
    uint64_t limit_ms;
} fixture;

typedef struct answer {
    bool come, inside;
    mk_code code;
    char sqlstate[6];
    int64_t number;
    char text[256];
} answer;

static bool calling; /* inside db_query */

static void on_state(bool up, void *arg)
{
    fixture *self = arg;
    self->up = up;
    *(up ? &self->ups : &self->downs) += 1;
}

static int look(zloop_t *loop, int timer, void *arg)
{
    fixture *self = arg;
    (void)loop, (void)timer;
    return *self->wanted || clock_mono_ms() > self->limit_ms ? -1 : 0;
}

static bool wait_for(fixture *self, const bool *wanted, unsigned limit_ms)
{
    self->wanted = wanted;
    self->limit_ms = clock_mono_ms() + limit_ms;
    int timer = zloop_timer(self->loop, 2, 0, look, self);
    zloop_start(self->loop);
    zloop_timer_end(self->loop, timer);
    return *wanted;
}

static void open_database(fixture *self, const char *conninfo, unsigned connections)
{
    db_options options = {.conninfo = conninfo,
                          .connections = connections,
                          .statements = statements,
                          .statement_count = sizeof statements / sizeof statements[0]};
    memset(self, 0, sizeof *self);
    self->loop = zloop_new();
    self->metrics = metrics_new();
    options.metrics = self->metrics;
    assert_int_equal(db_new(self->loop, &options, on_state, self, &self->db), MK_OK);
}

static void close_database(fixture *self)
{
    db_destroy(&self->db);
    assert_null(self->db);
    zloop_destroy(&self->loop);
    metrics_destroy(&self->metrics);
}

static void open_one(fixture *self)
{
    open_database(self, getenv("MYKEY_TEST_DATABASE"), 1);
    assert_true(wait_for(self, &self->up, 5000));
}

static void on_answer(mk_code code, const char *sqlstate, const PGresult *result, void *arg)
{
    answer *out = arg;
    assert_false(out->come); /* exactly once */
    out->come = true;
    out->inside = calling;
    out->code = code;
    snprintf(out->sqlstate, sizeof out->sqlstate, "%s", sqlstate);
    assert_true((result != NULL) == (code == MK_OK));
    if (result == NULL || PQntuples(result) == 0) return;
    if (PQfformat(result, 0) == 1) out->number = db_number(result, 0, 0);
    snprintf(out->text, sizeof out->text, "%s", db_text(result, 0, 0));
}

static void ask(fixture *self, size_t statement, const db_param *params, uint32_t timeout_ms, answer *out)
{
    memset(out, 0, sizeof *out);
    calling = true;
    db_query(self->db, statement, params, timeout_ms, on_answer, out);
    calling = false;
}

static void ask_number(fixture *self, size_t statement, int64_t value, uint32_t timeout_ms, answer *out)
{
    db_int8 storage;
    db_param param = db_param_number(&storage, value);
    ask(self, statement, &param, timeout_ms, out);
}

static void expect(fixture *self, answer *out, mk_code code)
{
    assert_true(wait_for(self, &out->come, 5000));
    assert_int_equal(out->code, code);
    assert_false(out->inside);
}

/* ---- values ---- */

static void on_numbers(mk_code code, const char *sqlstate, const PGresult *result, void *arg)
{
    assert_int_equal(code, MK_OK);
    assert_string_equal(sqlstate, "");
    assert_true(db_number(result, 0, 0) == -2147483648 && db_number(result, 0, 1) == -2147483648);
    assert_true(db_number(result, 0, 2) == -2 && db_number(result, 0, 3) == 0);
    *(bool *)arg = true;
}

static void numbers_and_signs(void **state)
{
    fixture self;
    db_int8 storage;
    bool come = false;
    (void)state;
    open_one(&self);
    db_param param = db_param_number(&storage, -2147483648);
    db_query(self.db, ECHO_NUMBER, &param, 1000, on_numbers, &come);
    assert_true(wait_for(&self, &come, 5000));
    close_database(&self);
}

static void texts_and_bytes(void **state)
{
    fixture self;
    answer out;
    (void)state;
    open_one(&self);
    const char *hostile = "x'); DROP TABLE once; -- \\ \"$1\" 図書館";
    db_param param = db_param_text(hostile);
    ask(&self, ECHO_TEXT, &param, 1000, &out);
    expect(&self, &out, MK_OK);
    assert_string_equal(out.text, hostile);
    param = db_param_bytes("\x00\x01\xff", 3);
    ask(&self, ECHO_BYTES, &param, 1000, &out);
    expect(&self, &out, MK_OK);
    param = (db_param){NULL, 0, false};
    ask(&self, ECHO_TEXT, &param, 1000, &out);
    expect(&self, &out, MK_OK);
    assert_string_equal(out.text, "");
    close_database(&self);
}

enum { KEYS = 1000 };

static void on_arrays(mk_code code, const char *sqlstate, const PGresult *result, void *arg)
{
    (void)sqlstate;
    assert_int_equal(code, MK_OK);
    assert_int_equal(PQntuples(result), KEYS);
    for (int i = 0; i < KEYS; i++) {
        size_t size;
        uint8_t wanted[32];
        char text[16];
        memset(wanted, i & 255, sizeof wanted);
        snprintf(text, sizeof text, "key %d", i);
        const uint8_t *got = db_bytes(result, i, 0, &size);
        assert_true(size == sizeof wanted && memcmp(got, wanted, size) == 0);
        assert_string_equal(db_text(result, i, 1), text);
    }
    *(bool *)arg = true;
}

static void arrays(void **state)
{
    fixture self;
    bool come = false;
    db_array_t *bytes = db_array_new(DB_ARRAY_BYTEA), *texts = db_array_new(DB_ARRAY_TEXT);
    (void)state;
    open_one(&self);
    db_array_add(bytes, "gone", 4);
    db_array_clear(bytes);
    for (int i = 0; i < KEYS; i++) {
        uint8_t key[32];
        char text[16];
        memset(key, i & 255, sizeof key);
        snprintf(text, sizeof text, "key %d", i);
        db_array_add(bytes, key, sizeof key);
        db_array_add(texts, text, strlen(text));
    }
    assert_int_equal(db_array_count(bytes), KEYS);
    db_param params[] = {db_array_param(bytes), db_array_param(texts)};
    db_query(self.db, ECHO_ARRAYS, params, 5000, on_arrays, &come);
    db_array_destroy(&bytes); /* parameters are copied */
    db_array_destroy(&texts);
    assert_true(wait_for(&self, &come, 5000));
    close_database(&self);
}

/* ---- errors ---- */

static void errors_have_their_codes(void **state)
{
    fixture self;
    answer out;
    (void)state;
    open_one(&self);
    ask_number(&self, DIVIDE, 0, 1000, &out);
    expect(&self, &out, MK_INTERNAL);
    assert_string_equal(out.sqlstate, "22012");
    ask_number(&self, INSERT, 7, 1000, &out);
    expect(&self, &out, MK_OK);
    ask_number(&self, INSERT, 7, 1000, &out);
    expect(&self, &out, MK_CONFLICT);
    ask(&self, RAISE_LOCK, NULL, 1000, &out);
    expect(&self, &out, MK_BUSY);
    close_database(&self);
}

static void an_error_stays_with_its_statement(void **state)
{
    enum { MANY = 200 };
    fixture self;
    answer *out = calloc(MANY, sizeof *out);
    (void)state;
    open_one(&self);
    for (int i = 0; i < MANY; i++)
        ask_number(&self, i % 3 == 1 ? DIVIDE : ECHO_NUMBER, i % 3 == 1 ? 0 : i, 5000, &out[i]);
    assert_true(db_outstanding(self.db) >= MANY);
    for (int i = 0; i < MANY; i++) {
        expect(&self, &out[i], i % 3 == 1 ? MK_INTERNAL : MK_OK);
        if (i % 3 != 1) assert_true(out[i].number == i);
    }
    close_database(&self);
    free(out);
}

static void a_row_of_a_failed_neighbour_is_kept(void **state)
{
    fixture self;
    answer out[3], count;
    (void)state;
    open_one(&self);
    ask(&self, COUNT_ROWS, NULL, 1000, &count);
    expect(&self, &count, MK_OK);
    ask_number(&self, INSERT, 100, 1000, &out[0]);
    ask_number(&self, DIVIDE, 0, 1000, &out[1]);
    ask_number(&self, INSERT, 101, 1000, &out[2]);
    int64_t before = count.number;
    ask(&self, COUNT_ROWS, NULL, 1000, &count);
    expect(&self, &count, MK_OK);
    assert_true(count.number == before + 2);
    close_database(&self);
}

/* ---- time ---- */

static void late_answers_are_told_in_time(void **state)
{
    fixture self;
    answer slow, next;
    (void)state;
    open_one(&self);
    uint64_t start = clock_mono_ms();
    ask_number(&self, SLEEP, 20000, 100, &slow);
    expect(&self, &slow, MK_DEADLINE_EXCEEDED);
    assert_true(clock_mono_ms() - start >= 100);
    /* The server cancelled it: the same connection serves the next. */
    ask_number(&self, ECHO_NUMBER, 5, 4000, &next);
    expect(&self, &next, MK_OK);
    assert_int_equal(self.downs, 0);
    close_database(&self);
}

static void a_longer_limit_after_a_short_one(void **state)
{
    fixture self;
    answer slow, longer;
    (void)state;
    open_one(&self);
    ask_number(&self, SLEEP, 5000, 64, &slow);
    ask_number(&self, SLEEP, 300, 4000, &longer); /* waits behind it, and has its own limit */
    expect(&self, &slow, MK_DEADLINE_EXCEEDED);
    expect(&self, &longer, MK_OK);
    close_database(&self);
}

static void a_server_that_hangs_is_left(void **state)
{
    fixture self;
    answer pid, stuck, next;
    (void)state;
    open_one(&self);
    ask(&self, PID, NULL, 1000, &pid);
    expect(&self, &pid, MK_OK);
    assert_int_equal(kill((pid_t)pid.number, SIGSTOP), 0);
    ask_number(&self, ECHO_NUMBER, 1, 100, &stuck);
    expect(&self, &stuck, MK_DEADLINE_EXCEEDED);
    bool *down = &self.destroyed; /* stays false: only time passes */
    assert_false(wait_for(&self, down, 4500));
    assert_int_equal(self.downs, 1);
    assert_int_equal(self.ups, 2);
    ask_number(&self, ECHO_NUMBER, 2, 1000, &next);
    expect(&self, &next, MK_OK);
    kill((pid_t)pid.number, SIGCONT);
    close_database(&self);
}

/* ---- connections ---- */

static void a_lost_connection_comes_back(void **state)
{
    fixture self;
    answer lost, behind, next;
    (void)state;
    open_one(&self);
    ask(&self, END_SELF, NULL, 1000, &lost);
    ask_number(&self, ECHO_NUMBER, 1, 1000, &behind);
    assert_true(wait_for(&self, &behind.come, 5000));
    assert_int_equal(lost.code, MK_UNAVAILABLE);
    assert_int_equal(behind.code, MK_UNAVAILABLE);
    assert_false(self.up);
    ask_number(&self, ECHO_NUMBER, 1, 1000, &next);
    assert_true(db_outstanding(self.db) == 0);
    expect(&self, &next, MK_UNAVAILABLE);
    assert_true(wait_for(&self, &self.up, 5000));
    ask_number(&self, ECHO_NUMBER, 3, 1000, &next);
    expect(&self, &next, MK_OK);
    close_database(&self);
}

static void one_of_several_may_be_lost(void **state)
{
    fixture self;
    answer lost, next;
    (void)state;
    open_database(&self, getenv("MYKEY_TEST_DATABASE"), 4);
    assert_false(wait_for(&self, &self.destroyed, 500));
    ask(&self, END_SELF, NULL, 1000, &lost);
    expect(&self, &lost, MK_UNAVAILABLE);
    assert_true(self.up && self.downs == 0);
    for (int i = 0; i < 20; i++) {
        ask_number(&self, ECHO_NUMBER, i, 1000, &next);
        expect(&self, &next, MK_OK);
    }
    close_database(&self);
}

static void no_database_is_told_and_not_waited_for(void **state)
{
    fixture self;
    answer out;
    (void)state;
    open_database(&self, "host=/nonexistent dbname=nobody user=nobody", 2);
    ask_number(&self, ECHO_NUMBER, 1, 1000, &out);
    expect(&self, &out, MK_UNAVAILABLE);
    assert_false(wait_for(&self, &self.destroyed, 400));
    assert_int_equal(self.ups, 0);
    close_database(&self);
}

static void a_schema_that_lacks_a_statement_is_not_up(void **state)
{
    fixture self;
    const char *conninfo = getenv("MYKEY_TEST_EMPTY_DATABASE");
    (void)state;
    open_database(&self, conninfo, 1); /* no table `once`, no raise_lock() there */
    assert_false(wait_for(&self, &self.destroyed, 700));
    assert_int_equal(self.ups, 0);
    close_database(&self);
}

static void closing_with_work_under_way_is_quiet(void **state)
{
    fixture self;
    answer out[10];
    (void)state;
    open_one(&self);
    for (int i = 0; i < 10; i++) ask_number(&self, SLEEP, 1000, 5000, &out[i]);
    close_database(&self);
    for (int i = 0; i < 10; i++) assert_false(out[i].come);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_signs),
        cmocka_unit_test(texts_and_bytes),
        cmocka_unit_test(arrays),
        cmocka_unit_test(errors_have_their_codes),
        cmocka_unit_test(an_error_stays_with_its_statement),
        cmocka_unit_test(a_row_of_a_failed_neighbour_is_kept),
        cmocka_unit_test(late_answers_are_told_in_time),
        cmocka_unit_test(a_longer_limit_after_a_short_one),
        cmocka_unit_test(a_server_that_hangs_is_left),
        cmocka_unit_test(a_lost_connection_comes_back),
        cmocka_unit_test(one_of_several_may_be_lost),
        cmocka_unit_test(no_database_is_told_and_not_waited_for),
        cmocka_unit_test(a_schema_that_lacks_a_statement_is_not_up),
        cmocka_unit_test(closing_with_work_under_way_is_quiet),
    };
    if (getenv("MYKEY_TEST_DATABASE") == NULL) {
        fprintf(stderr, "MYKEY_TEST_DATABASE is not set\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
