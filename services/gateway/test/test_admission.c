/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/admission.h"

/* cmocka wants these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static const admission_limits limits = {
    .all = {.per_s = 100, .burst = 20},
    .outstanding_max = 3,
    .enrol = {.per_s = 1, .burst = 2},
    .terminal = {.per_s = 1, .burst = 4},
    .terminals_max = 3,
};

static void bucket_gives_burst_then_rate(void **state)
{
    (void)state;
    bucket_rate rate = {.per_s = 10, .burst = 3};
    bucket b = bucket_full(rate, 1000);
    for (int i = 0; i < 3; i++) assert_int_equal(bucket_take(&b, rate, 1000), 0);
    uint32_t wait = bucket_take(&b, rate, 1000);
    assert_in_range(wait, 100, 101);
    assert_true(bucket_take(&b, rate, 1050) > 0);
    assert_int_equal(bucket_take(&b, rate, 1000 + wait), 0);
    assert_false(bucket_is_full(&b, rate, 1200));
    assert_true(bucket_is_full(&b, rate, 1500));
}

static void bucket_survives_a_clock_that_stands(void **state)
{
    (void)state;
    bucket_rate rate = {.per_s = 1, .burst = 1};
    bucket b = bucket_full(rate, 5000);
    assert_int_equal(bucket_take(&b, rate, 5000), 0);
    assert_true(bucket_take(&b, rate, 4000) > 0);
}

static void outstanding_is_bounded(void **state)
{
    (void)state;
    admission_t *a = admission_new(&limits);
    admission_refusal refusal;
    for (int i = 0; i < 3; i++) assert_int_equal(admission_enter(a, ADMISSION_OPEN, 0, &refusal), MK_OK);
    assert_int_equal(admission_enter(a, ADMISSION_OPEN, 0, &refusal), MK_BUSY);
    assert_string_equal(refusal.reason, "outstanding");
    assert_true(refusal.retry_after_ms > 0);
    admission_leave(a);
    assert_int_equal(admission_outstanding(a), 2);
    assert_int_equal(admission_enter(a, ADMISSION_OPEN, 0, &refusal), MK_OK);
    admission_destroy(&a);
    assert_null(a);
}

static void everyone_shares_the_global_rate(void **state)
{
    (void)state;
    admission_t *a = admission_new(&limits);
    admission_refusal refusal;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(admission_enter(a, ADMISSION_OPEN, 0, &refusal), MK_OK);
        admission_leave(a);
    }
    assert_int_equal(admission_enter(a, ADMISSION_OPEN, 0, &refusal), MK_BUSY);
    assert_string_equal(refusal.reason, "rate");
    assert_int_equal(admission_outstanding(a), 0);
    assert_int_equal(admission_enter(a, ADMISSION_OPEN, refusal.retry_after_ms, &refusal), MK_OK);
    admission_destroy(&a);
}

static void enrolment_has_its_own_rate(void **state)
{
    (void)state;
    admission_t *a = admission_new(&limits);
    admission_refusal refusal;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(admission_enter(a, ADMISSION_ENROL, 0, &refusal), MK_OK);
        admission_leave(a);
    }
    assert_int_equal(admission_enter(a, ADMISSION_ENROL, 0, &refusal), MK_BUSY);
    assert_string_equal(refusal.reason, "enrol");
    assert_int_equal(admission_outstanding(a), 0);
    assert_int_equal(admission_enter(a, ADMISSION_TERMINAL, 0, &refusal), MK_OK);
    admission_destroy(&a);
}

static void one_tap_of_a_terminal_at_a_time(void **state)
{
    (void)state;
    admission_t *a = admission_new(&limits);
    admission_refusal refusal;
    admission_terminal_t *tap = NULL, *other = NULL, *query = NULL;
    assert_int_equal(admission_enter_terminal(a, ADMISSION_TAP, "t-1", 0, &tap, &refusal), MK_OK);
    assert_int_equal(admission_enter_terminal(a, ADMISSION_TAP, "t-1", 0, &other, &refusal), MK_BUSY);
    assert_string_equal(refusal.reason, "terminal_tap");
    assert_null(other);
    assert_int_equal(admission_enter_terminal(a, ADMISSION_TERMINAL, "t-1", 0, &query, &refusal), MK_OK);
    assert_int_equal(admission_enter_terminal(a, ADMISSION_TAP, "t-2", 0, &other, &refusal), MK_OK);
    admission_leave_terminal(tap, ADMISSION_TAP);
    assert_int_equal(admission_enter_terminal(a, ADMISSION_TAP, "t-1", 0, &tap, &refusal), MK_OK);
    admission_destroy(&a);
}

static void a_terminal_has_its_rate(void **state)
{
    (void)state;
    admission_t *a = admission_new(&limits);
    admission_refusal refusal;
    admission_terminal_t *t = NULL;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(admission_enter_terminal(a, ADMISSION_TERMINAL, "t-1", 0, &t, &refusal), MK_OK);
        admission_leave_terminal(t, ADMISSION_TERMINAL);
    }
    assert_int_equal(admission_enter_terminal(a, ADMISSION_TERMINAL, "t-1", 0, &t, &refusal), MK_BUSY);
    assert_string_equal(refusal.reason, "terminal_rate");
    assert_int_equal(admission_enter_terminal(a, ADMISSION_TERMINAL, "t-2", 0, &t, &refusal), MK_OK);
    admission_destroy(&a);
}

/* Sweeping must not be a way around the rate, nor free what is in use. */
static void sweep_forgets_only_what_does_not_matter(void **state)
{
    (void)state;
    admission_t *a = admission_new(&limits);
    admission_refusal refusal;
    admission_terminal_t *t[4] = {NULL};
    char id[16];
    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof id, "t-%d", i);
        assert_int_equal(admission_enter_terminal(a, ADMISSION_TERMINAL, id, 0, &t[i], &refusal), MK_OK);
    }
    assert_int_equal(admission_enter_terminal(a, ADMISSION_TERMINAL, "t-9", 0, &t[3], &refusal), MK_BUSY);
    assert_string_equal(refusal.reason, "terminals");
    admission_leave_terminal(t[0], ADMISSION_TERMINAL);
    admission_sweep(a, 500);
    assert_int_equal(admission_terminals(a), 3);
    admission_sweep(a, 60000);
    assert_int_equal(admission_terminals(a), 2);
    assert_int_equal(admission_enter_terminal(a, ADMISSION_TERMINAL, "t-9", 60000, &t[3], &refusal), MK_OK);
    admission_destroy(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bucket_gives_burst_then_rate), cmocka_unit_test(bucket_survives_a_clock_that_stands),
        cmocka_unit_test(outstanding_is_bounded),       cmocka_unit_test(everyone_shares_the_global_rate),
        cmocka_unit_test(enrolment_has_its_own_rate),   cmocka_unit_test(one_tap_of_a_terminal_at_a_time),
        cmocka_unit_test(a_terminal_has_its_rate),      cmocka_unit_test(sweep_forgets_only_what_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
