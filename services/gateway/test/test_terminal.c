/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/pb/pb.h"

/* The registry's side: questions are kept until the test answers. */
typedef struct asked {
    terminal_question_t *questions[16];
    unsigned count;
} asked_t;

typedef struct found {
    unsigned calls;
    mk_code code;
    uint32_t retry_after_ms;
    terminal_t *terminal;
} found_t;

static void ask(terminal_question_t *question, const uint8_t sha256[TERMINAL_SHA256_SIZE], void *arg)
{
    asked_t *asked = arg;
    (void)sha256;
    asked->questions[asked->count++] = question;
}

static void found(mk_code code, terminal_t *terminal, uint32_t retry_after_ms, void *arg)
{
    found_t *f = arg;
    f->calls++;
    f->code = code;
    f->retry_after_ms = retry_after_ms;
    terminal_unref(&f->terminal);
    if (terminal != NULL) f->terminal = terminal_ref(terminal);
}

static Mykey__Registry__FindTerminalReply *reply(int state, size_t key_size)
{
    Mykey__Registry__FindTerminalReply r = MYKEY__REGISTRY__FIND_TERMINAL_REPLY__INIT;
    Mykey__Registry__Terminal t = MYKEY__REGISTRY__TERMINAL__INIT;
    Mykey__Registry__Operator o = MYKEY__REGISTRY__OPERATOR__INIT;
    uint8_t key[32] = {1};
    t.terminal_id = "t-1";
    t.operator_id = o.operator_id = "A1";
    t.has_state = true;
    t.state = (Mykey__Registry__TerminalState)state;
    t.has_key_sha256 = true;
    t.key_sha256 = (ProtobufCBinaryData){key_size, key};
    r.terminal = &t;
    r.operator_ = &o;
    size_t size;
    ProtobufCMessage *copy = NULL;
    uint8_t *packed = pb_pack(&r.base, &size);
    assert_int_equal(pb_unpack(r.base.descriptor, packed, size, &copy), MK_OK);
    free(packed);
    return (Mykey__Registry__FindTerminalReply *)copy;
}

static const uint8_t hash_a[TERMINAL_SHA256_SIZE] = {0xa};
static const uint8_t hash_b[TERMINAL_SHA256_SIZE] = {0xb};

static void same_time_same_question(void **state)
{
    (void)state;
    asked_t asked = {0};
    found_t one = {0}, two = {0}, three = {0};
    terminal_table_t *table = terminal_table_new(10, ask, &asked);
    terminal_table_find(table, hash_a, 0, found, &one);
    terminal_table_find(table, hash_a, 5, found, &two);
    assert_int_equal(asked.count, 1);
    assert_int_equal(one.calls + two.calls, 0);
    terminal_table_answer(asked.questions[0], MK_OK, 0, reply(1, 32));
    assert_int_equal(one.calls, 1);
    assert_int_equal(two.calls, 1);
    assert_string_equal(terminal_id(two.terminal), "t-1");
    assert_string_equal(terminal_operator_id(two.terminal), "A1");
    terminal_table_find(table, hash_a, 10, found, &three);
    assert_int_equal(three.code, MK_OK);
    assert_int_equal(asked.count, 1);
    terminal_table_destroy(&table);
    assert_int_equal(terminal_key_sha256(one.terminal)[0], 1); /* refs outlive the table */
    terminal_unref(&one.terminal);
    terminal_unref(&two.terminal);
    terminal_unref(&three.terminal);
}

/* From the question, not from the answer, and not as long as is promised. */
static void remembered_from_the_question(void **state)
{
    (void)state;
    const int states[] = {1, 2};
    const mk_code codes[] = {MK_OK, MK_TERMINAL_REVOKED};
    assert_true(TERMINAL_MEMORY_MS < 2000);
    for (unsigned i = 0; i < 2; i++) {
        asked_t asked = {0};
        found_t f = {0};
        terminal_table_t *table = terminal_table_new(10, ask, &asked);
        terminal_table_find(table, hash_a, 1000, found, &f);
        terminal_table_answer(asked.questions[0], MK_OK, 0, reply(states[i], 32));
        terminal_table_find(table, hash_a, 1000 + TERMINAL_MEMORY_MS - 1, found, &f);
        assert_int_equal(asked.count, 1);
        assert_int_equal(f.code, codes[i]);
        terminal_table_find(table, hash_a, 1000 + TERMINAL_MEMORY_MS, found, &f);
        assert_int_equal(asked.count, 2);
        assert_int_equal(f.calls, 2);
        terminal_table_answer(asked.questions[1], MK_NOT_FOUND, 0, NULL);
        assert_int_equal(f.code, MK_TERMINAL_UNKNOWN);
        terminal_unref(&f.terminal);
        terminal_table_destroy(&table);
    }
}

/* Hashes that begin alike: with such keys in one chain the table would outgrow the memory. */
static void certificates_that_begin_alike(void **state)
{
    (void)state;
    asked_t asked = {0};
    found_t f = {0};
    uint8_t hash[TERMINAL_SHA256_SIZE] = {1};
    terminal_table_t *table = terminal_table_new(4, ask, &asked);
    for (uint8_t i = 0; i < 100; i++) {
        hash[TERMINAL_SHA256_SIZE - 1] = i;
        terminal_table_find(table, hash, 1000, found, &f);
        terminal_table_answer(asked.questions[asked.count - 1], MK_NOT_FOUND, 0, NULL);
        asked.count = 0;
    }
    assert_int_equal(f.calls, 100);
    assert_int_equal(terminal_table_size(table), 4);
    terminal_table_destroy(&table);
}

typedef struct case_row {
    mk_code code, told;
    unsigned size; /* of the table afterwards */
} case_row_t;

static void what_a_terminal_is_told(void **state)
{
    (void)state;
    static const case_row_t rows[] = {
        {MK_NOT_FOUND, MK_TERMINAL_UNKNOWN, 1},
        {MK_TERMINAL_UNKNOWN, MK_TERMINAL_UNKNOWN, 1},
        {MK_TERMINAL_REVOKED, MK_TERMINAL_REVOKED, 1},
        {MK_NO_WORKERS, MK_UNAVAILABLE, 0},
        {MK_UNAVAILABLE, MK_UNAVAILABLE, 0},
        {MK_BUSY, MK_BUSY, 0},
        {MK_DEADLINE_EXCEEDED, MK_DEADLINE_EXCEEDED, 0},
        {MK_DENIED, MK_INTERNAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        asked_t asked = {0};
        found_t f = {0};
        terminal_table_t *table = terminal_table_new(10, ask, &asked);
        terminal_table_find(table, hash_a, 0, found, &f);
        terminal_table_answer(asked.questions[0], rows[i].code, 77, NULL);
        assert_int_equal(f.code, rows[i].told);
        assert_int_equal(f.retry_after_ms, 77);
        assert_null(f.terminal);
        assert_int_equal(terminal_table_size(table), rows[i].size);
        terminal_table_destroy(&table);
    }
}

static void incomplete_answers_are_faults(void **state)
{
    (void)state;
    asked_t asked = {0};
    found_t f = {0};
    terminal_table_t *table = terminal_table_new(10, ask, &asked);
    Mykey__Registry__FindTerminalReply *bad[] = {reply(0, 32), reply(1, 31), reply(1, 32), reply(1, 32)};
    pb_free(&bad[2]->terminal->base);
    bad[2]->terminal = NULL;
    bad[3]->terminal->terminal_id[1] = ' ';
    for (unsigned i = 0; i < 4; i++) {
        terminal_table_find(table, hash_a, 0, found, &f);
        terminal_table_answer(asked.questions[i], MK_OK, 0, bad[i]);
        assert_int_equal(f.code, MK_INTERNAL);
    }
    terminal_table_destroy(&table);
}

static void bounded(void **state)
{
    (void)state;
    asked_t asked = {0};
    found_t f = {0};
    terminal_table_t *table = terminal_table_new(2, ask, &asked);
    for (uint8_t i = 0; i < 4; i++) {
        uint8_t hash[TERMINAL_SHA256_SIZE] = {i};
        terminal_table_find(table, hash, i, found, &f);
        terminal_table_answer(asked.questions[i], MK_OK, 0, reply(1, 32));
        assert_in_range(terminal_table_size(table), 1, 2);
    }
    uint8_t oldest[TERMINAL_SHA256_SIZE] = {0};
    terminal_table_find(table, oldest, 5, found, &f);
    assert_int_equal(asked.count, 5);
    terminal_unref(&f.terminal);
    terminal_table_destroy(&table); /* with a question open */
}

/* A waiter that asks again for the same certificate from inside gets the same answer, not a hang. */
typedef struct again {
    terminal_table_t *table;
    found_t inner;
} again_t;

static void found_again(mk_code code, terminal_t *terminal, uint32_t retry_after_ms, void *arg)
{
    again_t *a = arg;
    (void)code;
    (void)terminal;
    (void)retry_after_ms;
    terminal_table_find(a->table, hash_a, 1, found, &a->inner);
}

static void asking_from_inside(void **state)
{
    (void)state;
    asked_t asked = {0};
    again_t again = {.table = terminal_table_new(1, ask, &asked)};
    found_t f = {0};
    terminal_table_find(again.table, hash_a, 0, found_again, &again);
    terminal_table_find(again.table, hash_b, 0, found, &f);
    terminal_table_answer(asked.questions[0], MK_UNAVAILABLE, 0, NULL);
    assert_int_equal(again.inner.calls, 1);
    assert_int_equal(again.inner.code, MK_UNAVAILABLE);
    terminal_table_destroy(&again.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_time_same_question),
        cmocka_unit_test(remembered_from_the_question),
        cmocka_unit_test(what_a_terminal_is_told),
        cmocka_unit_test(incomplete_answers_are_faults),
        cmocka_unit_test(bounded),
        cmocka_unit_test(certificates_that_begin_alike),
        cmocka_unit_test(asking_from_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
