/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/histogram.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void test_empty(void **state)
{
    (void)state;
    histogram_t *h = histogram_new();
    assert_int_equal(histogram_count(h), 0);
    assert_int_equal(histogram_max(h), 0);
    assert_int_equal(histogram_percentile(h, 0.5), 0);
    histogram_destroy(&h);
    assert_null(h);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    histogram_t *h = histogram_new();
    for (uint64_t us = 1; us <= 100; us++) histogram_add(h, us);
    assert_int_equal(histogram_count(h), 100);
    assert_int_equal(histogram_percentile(h, 0), 1);
    assert_int_equal(histogram_percentile(h, 0.01), 1);
    assert_int_equal(histogram_percentile(h, 0.5), 50);
    assert_int_equal(histogram_percentile(h, 0.9), 90);
    assert_int_equal(histogram_percentile(h, 0.999), 100);
    assert_int_equal(histogram_percentile(h, 1), 100);
    histogram_destroy(&h);
}

/* Never below the true value, never more than 1/64 above it. */
static void test_large_values_within_a_64th(void **state)
{
    (void)state;
    for (uint64_t us = 1; us < (uint64_t)1 << 39; us = us * 9 / 8 + 1) {
        histogram_t *h = histogram_new();
        histogram_add(h, us);
        histogram_add(h, us * 4);
        assert_in_range(histogram_percentile(h, 0.5), us, us + us / 64);
        assert_int_equal(histogram_percentile(h, 1), us * 4);
        histogram_destroy(&h);
    }
}

static void test_order_across_doublings(void **state)
{
    (void)state;
    histogram_t *h = histogram_new();
    for (uint64_t us = 1; us <= 100000; us++) histogram_add(h, us);
    uint64_t before = 0;
    for (unsigned i = 1; i <= 1000; i++) {
        uint64_t now = histogram_percentile(h, i / 1000.0);
        assert_in_range(now, i * 100, i * 100 + i * 100 / 64);
        assert_true(now >= before);
        before = now;
    }
    histogram_destroy(&h);
}

static void test_beyond_the_last_step(void **state)
{
    (void)state;
    histogram_t *h = histogram_new();
    histogram_add(h, 5);
    histogram_add(h, UINT64_MAX);
    assert_int_equal(histogram_percentile(h, 0.5), 5);
    assert_true(histogram_percentile(h, 0.99) == UINT64_MAX);
    assert_true(histogram_max(h) == UINT64_MAX);
    histogram_destroy(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_large_values_within_a_64th),
        cmocka_unit_test(test_order_across_doublings),
        cmocka_unit_test(test_beyond_the_last_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
