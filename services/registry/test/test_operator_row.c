/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/operator_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct sample {
    Mykey__Registry__Operator operator;
    Mykey__Registry__NumberRule number;
    Mykey__Registry__OutputSettings output;
} sample;

static char id[] = "A1", name[] = "A1大学図書館", version[] = "1", one_letter[] = "A", bad_pair[] = "AE";
static char bad_id[] = "A 1", long_id[] = "123456789012345678901234567890123", bad_code[] = "131017",
            control[] = "a\tb";
static char long_version[] = "12345678901234567", line_break[] = "a\nb";

static void fill(sample *out)
{
    *out = (sample){MYKEY__REGISTRY__OPERATOR__INIT, MYKEY__REGISTRY__NUMBER_RULE__INIT,
                    MYKEY__REGISTRY__OUTPUT_SETTINGS__INIT};
    out->operator.operator_id = id;
    out->operator.has_kind = 1;
    out->operator.kind = MYKEY__REGISTRY__OPERATOR_KIND__OPERATOR_KIND_LIBRARY;
    out->operator.name_ja = name;
    out->operator.terms_version = version;
    out->operator.number = & out->number;
    out->operator.output = & out->output;
}

static void fills_in_the_defaults(void **state)
{
    sample given;
    operator_row row;
    const char *detail = NULL;
    (void)state;
    fill(&given);
    given.operator.number = NULL;
    given.operator.output = NULL;
    assert_int_equal(operator_row_check(&given.operator, & row, &detail), MK_OK);
    assert_int_equal(row.number.min_length, 1);
    assert_int_equal(row.number.max_length, 20);
    assert_false(row.number.digits_only);
    assert_int_equal(row.output.symbology, MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7);
    assert_string_equal(row.output.start_stop, "AA");
    assert_int_equal(row.output.check_digit, MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_NONE);
    assert_int_equal(row.output.key_suffix, MYKEY__REGISTRY__KEY_SUFFIX__KEY_SUFFIX_ENTER);
    assert_int_equal(row.output.key_delay_ms, 5);
    assert_int_equal(row.output.clear_after_s, 30);
    assert_false(row.output.keyboard);
    assert_string_equal(row.operator.municipality_code, "");
}

#define FAULT(expected, change)                                                                \
    do {                                                                                       \
        sample given;                                                                          \
        operator_row row;                                                                      \
        const char *detail = "none";                                                           \
        fill(&given);                                                                          \
        change;                                                                                \
        assert_int_equal(operator_row_check(&given.operator, & row, &detail), MK_BAD_REQUEST); \
        assert_string_equal(detail, expected);                                                 \
    } while (0)

static void names_the_field_that_is_wrong(void **state)
{
    char *long_name = calloc(1, 4200);
    (void)state;
    memset(long_name, 'x', 129);
    FAULT("operator_id", given.operator.operator_id = NULL);
    FAULT("operator_id", given.operator.operator_id = bad_id);
    FAULT("operator_id", given.operator.operator_id = long_id);
    FAULT("kind", given.operator.kind = 0);
    FAULT("kind", given.operator.kind = 7);
    FAULT("name_ja", given.operator.name_ja = NULL);
    FAULT("name_ja", given.operator.name_ja = control);
    FAULT("name_ja", given.operator.name_ja = line_break);
    FAULT("name_en", given.operator.name_en = long_name);
    FAULT("terms_version", given.operator.terms_version = NULL);
    FAULT("terms_version", given.operator.terms_version = long_version);
    FAULT("municipality_code", given.operator.municipality_code = bad_code);
    FAULT("number.min_length", (given.number.has_min_length = 1, given.number.min_length = 0));
    FAULT("number.max_length", (given.number.has_max_length = 1, given.number.max_length = 65));
    FAULT("number.max_length", (given.number.has_min_length = 1, given.number.min_length = 21));
    FAULT("output.symbology", (given.output.has_symbology = 1, given.output.symbology = 3));
    FAULT("output.start_stop", given.output.start_stop = one_letter);
    FAULT("output.start_stop", given.output.start_stop = bad_pair);
    FAULT("output.check_digit", (given.output.has_check_digit = 1, given.output.check_digit = 4));
    FAULT("output.check_digit", (given.output.has_check_digit = 1, given.output.check_digit = 3)); /* not digits only */
    FAULT("output.check_digit", (given.output.has_check_digit = given.output.has_symbology = 1,
                                 given.output.check_digit = 2, given.output.symbology = 2));
    FAULT("output.key_suffix", (given.output.has_key_suffix = 1, given.output.key_suffix = 4));
    FAULT("output.key_delay_ms", (given.output.has_key_delay_ms = 1, given.output.key_delay_ms = 51));
    FAULT("output.clear_after_s", (given.output.has_clear_after_s = 1, given.output.clear_after_s = 4));
    FAULT("output.clear_after_s", (given.output.has_clear_after_s = 1, given.output.clear_after_s = 601));
    memset(long_name, 'x', 4097);
    FAULT("terms_ja", given.operator.terms_ja = long_name);
    free(long_name);
}

static void takes_the_edges(void **state)
{
    sample given;
    operator_row row;
    const char *detail = "none";
    (void)state;
    fill(&given);
    given.number.has_min_length = given.number.has_max_length = given.number.has_digits_only = 1;
    given.number.min_length = given.number.max_length = 64;
    given.number.digits_only = 1;
    given.output.has_check_digit = given.output.has_key_delay_ms = given.output.has_clear_after_s = 1;
    given.output.check_digit = MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_7DR;
    given.output.key_delay_ms = 0;
    given.output.clear_after_s = 600;
    given.operator.terms_ja = line_break;
    assert_int_equal(operator_row_check(&given.operator, & row, &detail), MK_OK);
    assert_int_equal(row.output.key_delay_ms, 0);
    params_t params = {.count = 0};
    operator_row_params(&row, &params);
    assert_int_equal(params.count, 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in_the_defaults),
        cmocka_unit_test(names_the_field_that_is_wrong),
        cmocka_unit_test(takes_the_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
