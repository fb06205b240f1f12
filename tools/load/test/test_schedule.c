/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/schedule.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

enum { ARRIVALS = 20000 };

static void test_poisson(void **state)
{
    (void)state;
    schedule_spec spec = {.kind = SCHEDULE_OPEN, .rate = 400, .taps = ARRIVALS, .seed = 7};
    schedule_t *schedule = schedule_new(&spec);
    uint64_t before = 0, at = 0, sum_of_squares = 0, count = 0;
    while (schedule_take(schedule, UINT64_MAX - 1, 0, &at)) {
        assert_true(at >= before);
        sum_of_squares += (at - before) * (at - before);
        before = at;
        count++;
    }
    double mean = (double)at / ARRIVALS, deviation = sqrt((double)sum_of_squares / ARRIVALS - mean * mean);
    assert_int_equal(count, ARRIVALS);
    /* Four standard errors; an exponential's deviation is its mean. */
    assert_true(fabs(mean - 2500) < 4 * 2500 / sqrt(ARRIVALS));
    assert_true(fabs(deviation - 2500) < 125);
    assert_true(schedule_over(schedule, at));
    assert_true(schedule_next(schedule) == SCHEDULE_NEVER);
    schedule_destroy(&schedule);
}

static void test_open_keeps_its_times(void **state)
{
    (void)state;
    schedule_spec spec = {.kind = SCHEDULE_OPEN, .rate = 1000, .run_us = 1000000, .seed = 1};
    schedule_t *schedule = schedule_new(&spec), *again = schedule_new(&spec);
    uint64_t next, at, same, count = 0;
    while ((next = schedule_next(schedule)) != SCHEDULE_NEVER) {
        assert_false(schedule_over(schedule, next + 5000));
        assert_false(schedule_take(schedule, next - 1, 0, &at));
        /* Asked late, with any number under way: the time is the scheduled one. */
        assert_true(schedule_take(schedule, next + 5000, count, &at));
        assert_int_equal(at, next);
        assert_true(schedule_take(again, next, 0, &same));
        assert_int_equal(at, same);
        assert_true(at < spec.run_us);
        count++;
    }
    assert_in_range(count, 850, 1150);
    assert_false(schedule_take(schedule, UINT64_MAX - 1, 0, &at));
    schedule_destroy(&schedule);
    schedule_destroy(&again);
}

static void test_another_seed_is_another_run(void **state)
{
    (void)state;
    schedule_spec spec = {.kind = SCHEDULE_OPEN, .rate = 1000, .taps = 1, .seed = 1};
    schedule_t *one = schedule_new(&spec);
    spec.seed = 2;
    schedule_t *two = schedule_new(&spec);
    assert_int_not_equal(schedule_next(one), schedule_next(two));
    schedule_destroy(&one);
    schedule_destroy(&two);
}

static void test_closed(void **state)
{
    (void)state;
    schedule_spec spec = {.kind = SCHEDULE_CLOSED, .at_once = 3, .taps = 5};
    schedule_t *schedule = schedule_new(&spec);
    uint64_t at;
    for (uint64_t under_way = 0; under_way < 3; under_way++) {
        assert_true(schedule_take(schedule, 10, under_way, &at));
        assert_int_equal(at, 10);
    }
    assert_false(schedule_take(schedule, 10, 3, &at));
    assert_true(schedule_next(schedule) == SCHEDULE_NEVER);
    assert_true(schedule_take(schedule, 20, 2, &at));
    assert_int_equal(at, 20);
    assert_false(schedule_over(schedule, 20));
    assert_true(schedule_take(schedule, 30, 2, &at));
    assert_true(schedule_over(schedule, 30));
    assert_false(schedule_take(schedule, 40, 0, &at));
    schedule_destroy(&schedule);
}

static void test_closed_for_a_time(void **state)
{
    (void)state;
    schedule_spec spec = {.kind = SCHEDULE_CLOSED, .at_once = 1, .run_us = 100};
    schedule_t *schedule = schedule_new(&spec);
    uint64_t at;
    assert_true(schedule_take(schedule, 99, 0, &at));
    assert_false(schedule_over(schedule, 99));
    assert_true(schedule_over(schedule, 100));
    assert_false(schedule_take(schedule, 100, 0, &at));
    schedule_destroy(&schedule);
}

static unsigned take_all(schedule_t *schedule, uint64_t now_us, uint64_t under_way)
{
    uint64_t at;
    unsigned count = 0;
    while (schedule_take(schedule, now_us, under_way + count, &at)) {
        assert_int_equal(at, now_us);
        count++;
    }
    return count;
}

static void test_waves(void **state)
{
    (void)state;
    schedule_spec spec = {.kind = SCHEDULE_WAVES, .at_once = 4, .taps = 10};
    schedule_t *schedule = schedule_new(&spec);
    assert_int_equal(take_all(schedule, 0, 0), 4);
    /* Not before the last of them is done. */
    assert_int_equal(take_all(schedule, 10, 1), 0);
    assert_int_equal(take_all(schedule, 20, 0), 4);
    assert_int_equal(take_all(schedule, 30, 0), 2);
    assert_true(schedule_over(schedule, 30));
    assert_int_equal(take_all(schedule, 40, 0), 0);
    schedule_destroy(&schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poisson),
        cmocka_unit_test(test_open_keeps_its_times),
        cmocka_unit_test(test_another_seed_is_another_run),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_closed_for_a_time),
        cmocka_unit_test(test_waves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
