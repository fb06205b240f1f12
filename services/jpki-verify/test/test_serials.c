/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/serials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/bytes.h"

static void *build(const uint32_t *serials, uint64_t count, serials_t *out)
{
    serials_builder builder;
    void *data = calloc(1, serials_size(count));
    assert_non_null(data);
    serials_build(&builder, data, count);
    for (uint64_t i = 0; i < count; i++) serials_put(&builder, serials[i]);
    serials_done(&builder);
    assert_true(serials_open(out, data, serials_size(count)));
    return data;
}

static bool is_in(const uint32_t *serials, uint64_t count, uint32_t serial)
{
    for (uint64_t low = 0, high = count; low < high;) {
        uint64_t middle = low + (high - low) / 2;
        if (serials[middle] == serial) return true;
        if (serials[middle] < serial) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint64_t make(uint32_t *serials, uint64_t count, uint32_t first, uint32_t width)
{
    for (uint64_t i = 0; i < count; i++)
        serials[i] = first + (width == 0 ? bytes_random_below(UINT32_MAX) : bytes_random_below(width));
    qsort(serials, count, sizeof *serials, compare);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (kept == 0 || serials[kept - 1] != serials[i]) serials[kept++] = serials[i];
    }
    return kept;
}

/* Every member, its neighbours, and strangers. */
static void check(const uint32_t *serials, uint64_t count)
{
    serials_t set;
    void *data = build(serials, count, &set);
    for (uint64_t i = 0; i < count; i++) {
        assert_true(serials_has(&set, serials[i]));
        assert_int_equal(serials_has(&set, serials[i] + 1), is_in(serials, count, serials[i] + 1));
        assert_int_equal(serials_has(&set, serials[i] - 1), is_in(serials, count, serials[i] - 1));
    }
    for (unsigned i = 0; i < 10000; i++) {
        uint32_t stranger = bytes_random_below(UINT32_MAX);
        assert_int_equal(serials_has(&set, stranger), is_in(serials, count, stranger));
    }
    free(data);
}

static void test_sets(void **state)
{
    (void)state;
    static const struct {
        uint64_t count;
        uint32_t first, width; /* 0: anywhere */
    } cases[] = {{1, 0, 1},           {1, UINT32_MAX, 1},
                 {2, 0, 0},           {3, 77, 3},
                 {257, 0, 0},         {1000, 0, 0},
                 {1000, 5000, 1000},  {65536, 0, 0},
                 {100000, 0, 0},      {100000, 0x80000000, 100000},
                 {200000, 7, 300000}, {5000, UINT32_MAX - 5000, 5000}};
    uint32_t *serials = calloc(200000, sizeof *serials);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(serials, make(serials, cases[i].count, cases[i].first, cases[i].width));
    free(serials);
}

static void test_empty(void **state)
{
    (void)state;
    check(NULL, 0);
}

static void test_size(void **state)
{
    (void)state;
    assert_in_range(serials_size(10000000) * 100 / 10000000, 130, 140); /* octets in hundredths */
    for (uint64_t count = 0; count < 5000; count++) assert_int_equal(serials_size(count) % 8, 0);
}

static void test_open_refuses(void **state)
{
    (void)state;
    const uint32_t one[] = {5};
    uint64_t too_many[1] = {SERIALS_COUNT_MAX + 1};
    serials_t set, other;
    uint8_t *data = build(one, 1, &set);
    size_t size = serials_size(1);
    assert_false(serials_open(&other, data, size - 8));
    assert_false(serials_open(&other, data, size + 8));
    assert_false(serials_open(&other, data, 7));
    assert_false(serials_open(&other, data + 4, size));
    assert_false(serials_open(&other, too_many, serials_size(SERIALS_COUNT_MAX + 1)));
    free(data);
}

/* Wrong answers are allowed, reads outside are not (the sanitizer looks). */
static void test_garbage_stays_inside(void **state)
{
    (void)state;
    static const uint64_t counts[] = {1, 3, 64, 1000, 40000};
    for (size_t c = 0; c < 5; c++) {
        size_t size = serials_size(counts[c]);
        uint8_t *data = malloc(size);
        for (unsigned round = 0; round < 30; round++) {
            serials_t set;
            if (round < 2) memset(data, round == 0 ? 0xFF : 0, size);
            if (round >= 2) bytes_random(data, size);
            memcpy(data, &counts[c], sizeof counts[c]);
            assert_true(serials_open(&set, data, size));
            for (unsigned i = 0; i < 1000; i++) (void)serials_has(&set, bytes_random_below(UINT32_MAX));
            (void)(serials_has(&set, 0) + serials_has(&set, UINT32_MAX));
        }
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_garbage_stays_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
