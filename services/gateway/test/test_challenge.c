/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/challenge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/tap/tap.h"

static challenge make(const char *terminal_id, uint8_t request, uint8_t nonce)
{
    challenge c = {.purpose = MYKEY__PURPOSE__PURPOSE_RESOLVE, .issued_at_ms = 1700000000000};
    snprintf(c.terminal_id, sizeof c.terminal_id, "%s", terminal_id);
    snprintf(c.audience, sizeof c.audience, "A1");
    memset(c.request_id, request, sizeof c.request_id);
    memset(c.nonce, nonce, sizeof c.nonce);
    return c;
}

static mk_code put(challenge_store_t *store, const char *terminal_id, uint8_t request, uint8_t nonce, uint64_t now_ms)
{
    challenge c = make(terminal_id, request, nonce);
    return challenge_store_put(store, &c, now_ms);
}

static mk_code take(challenge_store_t *store, uint8_t nonce, const char *terminal_id, uint64_t now_ms)
{
    uint8_t bytes[CHALLENGE_NONCE_SIZE];
    challenge c;
    memset(bytes, nonce, sizeof bytes);
    mk_code code = challenge_store_take(store, bytes, terminal_id, now_ms, &c);
    if (code == MK_OK) assert_memory_equal(c.nonce, bytes, sizeof bytes);
    return code;
}

static void redeemed_once(void **state)
{
    (void)state;
    challenge_store_t *store = challenge_store_new(10);
    assert_int_equal(put(store, "t-1", 1, 1, 0), MK_OK);
    assert_int_equal(challenge_store_open(store, 0), 1);
    assert_int_equal(take(store, 2, "t-1", 1), MK_CHALLENGE_GONE);
    assert_int_equal(take(store, 1, "t-1", 1), MK_OK);
    assert_int_equal(take(store, 1, "t-1", 1), MK_CHALLENGE_GONE);
    assert_int_equal(challenge_store_open(store, 1), 0);
    challenge_store_destroy(&store);
    assert_null(store);
}

static void another_terminals_is_consumed_too(void **state)
{
    (void)state;
    challenge_store_t *store = challenge_store_new(10);
    assert_int_equal(put(store, "t-1", 1, 1, 0), MK_OK);
    assert_int_equal(take(store, 1, "t-2", 1), MK_CHALLENGE_MISMATCH);
    assert_int_equal(take(store, 1, "t-1", 1), MK_CHALLENGE_GONE);
    challenge_store_destroy(&store);
}

static void expires_then_is_forgotten(void **state)
{
    (void)state;
    challenge_store_t *store = challenge_store_new(10);
    assert_int_equal(put(store, "t-1", 1, 1, 1000), MK_OK);
    assert_int_equal(put(store, "t-1", 2, 2, 1000), MK_OK);
    assert_int_equal(put(store, "t-1", 3, 3, 1000), MK_OK);
    assert_int_equal(take(store, 1, "t-1", 1000 + CHALLENGE_LIFE_MS - 1), MK_OK);
    assert_int_equal(challenge_store_open(store, 1000 + CHALLENGE_LIFE_MS - 1), 2);
    assert_int_equal(challenge_store_open(store, 1000 + CHALLENGE_LIFE_MS), 0);
    assert_int_equal(take(store, 2, "t-1", 1000 + CHALLENGE_LIFE_MS), MK_CHALLENGE_EXPIRED);
    assert_int_equal(take(store, 3, "t-1", 1000 + CHALLENGE_MEMORY_MS), MK_CHALLENGE_GONE);
    challenge_store_destroy(&store);
}

static void one_of_a_request_id(void **state)
{
    (void)state;
    challenge_store_t *store = challenge_store_new(10);
    assert_int_equal(put(store, "t-1", 7, 1, 0), MK_OK);
    assert_int_equal(put(store, "t-1", 7, 2, 0), MK_OK);
    assert_int_equal(put(store, "t-2", 7, 3, 0), MK_OK);
    assert_int_equal(take(store, 1, "t-1", 1), MK_CHALLENGE_GONE);
    assert_int_equal(take(store, 2, "t-1", 1), MK_OK);
    assert_int_equal(take(store, 3, "t-2", 1), MK_OK);
    challenge_store_destroy(&store);
}

static void four_of_a_terminal(void **state)
{
    (void)state;
    challenge_store_t *store = challenge_store_new(10);
    for (uint8_t i = 1; i <= 5; i++) assert_int_equal(put(store, "t-1", i, i, i), MK_OK);
    assert_int_equal(challenge_store_open(store, 5), CHALLENGE_PER_TERMINAL);
    assert_int_equal(take(store, 1, "t-1", 6), MK_CHALLENGE_GONE);
    assert_int_equal(take(store, 2, "t-1", 6), MK_OK);
    assert_int_equal(take(store, 5, "t-1", 6), MK_OK);
    challenge_store_destroy(&store);
}

static void bounded_in_all(void **state)
{
    (void)state;
    challenge_store_t *store = challenge_store_new(2);
    assert_int_equal(put(store, "t-1", 1, 1, 0), MK_OK);
    assert_int_equal(put(store, "t-2", 1, 2, 0), MK_OK);
    assert_int_equal(put(store, "t-3", 1, 3, 0), MK_BUSY);
    assert_int_equal(put(store, "t-2", 1, 4, 0), MK_OK); /* takes its own place */
    assert_int_equal(put(store, "t-3", 1, 3, CHALLENGE_MEMORY_MS), MK_OK);
    assert_int_equal(take(store, 3, "t-3", CHALLENGE_MEMORY_MS), MK_OK);
    challenge_store_destroy(&store);
}

static void statement_is_complete(void **state)
{
    (void)state;
    challenge c = make("t-1", 1, 2);
    Mykey__TapStatement statement;
    const char *detail = "";
    challenge_statement(&c, "dev", "https://edge.example", &statement);
    assert_int_equal(tap_statement_check(&statement, &detail), MK_OK);
    assert_int_equal(statement.expires_at_ms - statement.issued_at_ms, CHALLENGE_LIFE_MS);
    assert_int_equal(statement.assurance, MYKEY__ASSURANCE__ASSURANCE_PIN);
    c.has_object = true;
    challenge_statement(&c, "dev", "https://edge.example", &statement);
    assert_int_equal(tap_statement_check(&statement, &detail), MK_OK);
    assert_int_equal(statement.object.len, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redeemed_once),
        cmocka_unit_test(another_terminals_is_consumed_too),
        cmocka_unit_test(expires_then_is_forgotten),
        cmocka_unit_test(one_of_a_request_id),
        cmocka_unit_test(four_of_a_terminal),
        cmocka_unit_test(bounded_in_all),
        cmocka_unit_test(statement_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
