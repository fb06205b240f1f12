/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void normalises(void **state)
{
    static const struct {
        const char *text, *number; /* NULL: NUMBER_INVALID */
    } rows[] = {
        {"789", "789"},
        {"086", "086"},
        {"０８６", "086"},
        {" 789　", "789"},
        {"Ａ１２", "A12"},
        {"", NULL},
        {"   ", NULL},
        {"　", NULL},
        {"\xff", NULL},
        {NULL, NULL},
        {"1234567890123456789012345678901234567890123456789012345678901234",
         "1234567890123456789012345678901234567890123456789012345678901234"},
        {"12345678901234567890123456789012345678901234567890123456789012345", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[NUMBER_MAX + 1] = "untouched";
        mk_code code = number_read(rows[i].text, out);
        assert_int_equal(code, rows[i].number != NULL ? MK_OK : MK_NUMBER_INVALID);
        assert_string_equal(out, rows[i].number != NULL ? rows[i].number : "untouched");
    }
}

static void follows_the_rule(void **state)
{
    static const struct {
        unsigned min, max;
        bool digits, code39;
        const char *number;
        bool fits;
    } rows[] = {
        {1, 20, false, false, "789", true},      {1, 20, false, false, "A789", false},
        {1, 20, false, false, "1-2$:/.+", true}, {1, 20, false, true, "A789", true},
        {1, 20, false, true, "a789", false},     {1, 20, true, false, "1-2", false},
        {1, 20, true, true, "A789", false},      {3, 3, true, false, "086", true},
        {3, 3, true, false, "86", false},        {3, 3, true, false, "0086", false},
        {1, 20, false, true, "７８９", false},   {1, 20, false, true, "A%+/$ .-", true},
        {1, 20, false, true, "1\n2", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Mykey__Registry__NumberRule rule = MYKEY__REGISTRY__NUMBER_RULE__INIT;
        Mykey__Registry__OutputSettings output = MYKEY__REGISTRY__OUTPUT_SETTINGS__INIT;
        Mykey__Registry__Operator operator= MYKEY__REGISTRY__OPERATOR__INIT;
        rule.min_length = rows[i].min;
        rule.max_length = rows[i].max;
        rule.digits_only = rows[i].digits;
        output.symbology =
            rows[i].code39 ? MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_CODE39 : MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7;
        operator.number = & rule;
        operator.output = & output;
        assert_int_equal(number_fits(&operator, rows[i].number), rows[i].fits);
    }
}

/* Check digits worked out by hand from the weights 6 5 4 3 2 7 6 5 4 3 2. */
static void knows_a_my_number(void **state)
{
    (void)state;
    assert_true(number_is_my_number("123456789018")); /* sum 212, 212 % 11 = 3, 11 - 3 = 8 */
    assert_false(number_is_my_number("123456789019"));
    assert_true(number_is_my_number("000000000000")); /* remainder 0 → 0 */
    assert_true(number_is_my_number("000000000035")); /* 3*2 = 6 → 5 */
    assert_true(number_is_my_number("000010000009")); /* 1*2 = 2 → 9 */
}

static void my_number_each_check_digit(void **state)
{
    static const int weights[11] = {6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2};
    (void)state;
    for (unsigned n = 0; n < 20000; n++) {
        char text[13];
        int sum = 0, passed = 0;
        snprintf(text, sizeof text, "%011llu0", n * 4999999ull % 100000000000ull);
        for (int i = 0; i < 11; i++) sum += weights[i] * (text[i] - '0');
        for (char last = '0'; last <= '9'; last++) {
            text[11] = last;
            if (!number_is_my_number(text)) continue;
            passed++;
            int digit = last - '0';
            assert_true((sum + digit) % 11 == 0 || (digit == 0 && sum % 11 == 1));
        }
        assert_int_equal(passed, 1);
    }
}

static void other_lengths_are_no_my_number(void **state)
{
    (void)state;
    assert_false(number_is_my_number("12345678901"));
    assert_false(number_is_my_number("1234567890181"));
    assert_false(number_is_my_number("12345678901A"));
    assert_false(number_is_my_number(""));
}

static void knows_municipality_codes(void **state)
{
    static const char *const good[] = {"131016", "141305", "011002", "401005", "472018", "231002"};
    static const char *const bad[] = {"131017", "13101", "1310166", "13101A", "", "141300"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) assert_true(number_is_municipality_code(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(number_is_municipality_code(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalises),
        cmocka_unit_test(follows_the_rule),
        cmocka_unit_test(knows_a_my_number),
        cmocka_unit_test(my_number_each_check_digit),
        cmocka_unit_test(other_lengths_are_no_my_number),
        cmocka_unit_test(knows_municipality_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
