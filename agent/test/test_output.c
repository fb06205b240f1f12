/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers on their way out: rules, barcodes, keys. */
#include <linux/input.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/barcode.h"
#include "agent/keyboard.h"

#include <cmocka.h>

#define NW7 MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7
#define CODE39 MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_CODE39
#define NONE MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_NONE
#define MOD16 MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_MOD16
#define DR7 MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_7DR

static output_rules rules(Mykey__Registry__Symbology symbology, Mykey__Registry__CheckDigit check, const char *ends)
{
    output_rules made = rules_of(NULL);
    made.symbology = symbology;
    made.check = check;
    made.start = ends[0];
    made.stop = ends[1];
    return made;
}

/* ---- rules ---- */

static void test_defaults(void **state)
{
    (void)state;
    output_rules made = rules_of(NULL);
    assert_int_equal(made.symbology, NW7);
    assert_int_equal(made.start, 'A');
    assert_int_equal(made.clear_after_s, 30);
    assert_int_equal(made.max_length, 20);
    assert_false(made.keyboard);
}

static void test_out_of_range_settings_fall_back(void **state)
{
    (void)state;
    Mykey__Registry__Operator op = MYKEY__REGISTRY__OPERATOR__INIT;
    Mykey__Registry__OutputSettings output = MYKEY__REGISTRY__OUTPUT_SETTINGS__INIT;
    op.output = &output;
    output.has_symbology = output.has_clear_after_s = output.has_key_delay_ms = true;
    output.symbology = 77;
    output.clear_after_s = 4;
    output.key_delay_ms = 51;
    output.start_stop = "AX";
    output_rules made = rules_of(&op);
    assert_int_equal(made.symbology, NW7);
    assert_int_equal(made.clear_after_s, 30);
    assert_int_equal(made.key_delay_ms, 5);
    assert_int_equal(made.stop, 'A');
    output.clear_after_s = 600;
    output.start_stop = "BD";
    made = rules_of(&op);
    assert_int_equal(made.clear_after_s, 600);
    assert_int_equal(made.start, 'B');
    assert_int_equal(made.stop, 'D');
}

static void test_reading_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* NULL = NUMBER_INVALID */
    } rows[] = {{"789", "789"},     {"086", "086"},
                {"０８６", "086"},  {" 789 ", "789"},
                {"A789A", "789"},   {"b789D", "789"},
                {"A789", NULL},     {"", NULL},
                {"７８９Ａ", NULL}, {"78\n9", NULL},
                {"78x", NULL},      {"1-2", "1-2"},
                {"AA", NULL},       {"123456789012345678901", NULL}};
    output_rules nw7 = rules(NW7, NONE, "AA");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[NUMBER_MAX + 1] = "untouched";
        problem_t problem = rules_read_number(&nw7, rows[i].text, out);
        assert_int_equal(problem, rows[i].want ? MK_OK : MK_NUMBER_INVALID);
        assert_string_equal(out, rows[i].want ? rows[i].want : "untouched");
    }
    char out[NUMBER_MAX + 1];
    nw7.digits_only = true;
    assert_int_equal(rules_read_number(&nw7, "1-2", out), MK_NUMBER_INVALID);
    output_rules code39 = rules(CODE39, NONE, "AA");
    assert_int_equal(rules_read_number(&code39, "A789A", out), MK_OK);
    assert_string_equal(out, "A789A"); /* letters are data there */
}

/* ---- barcodes ---- */

static barcode draw(const output_rules *with, const char *number, const char *symbology, const char *text)
{
    barcode made;
    assert_int_equal(barcode_encode(with, number, &made), MK_OK);
    assert_string_equal(made.symbology, symbology);
    assert_string_equal(made.text, text);
    return made;
}

static void test_nw7_golden(void **state)
{
    (void)state;
    output_rules plain = rules(NW7, NONE, "AA");
    barcode made = draw(&plain, "789", "nw7", "A789A");
    /* A 10110010010, 7 1001010110 …: narrow 1, wide 2, gap 1 between characters */
    assert_string_equal(made.modules, "1011001001"
                                      "0"
                                      "100101101"
                                      "0"
                                      "100110101"
                                      "0"
                                      "110100101"
                                      "0"
                                      "1011001001");
    made = draw(&plain, "12345678", "nw7", "A12345678A");
    assert_int_equal(strlen(made.modules), 10 + 8 * 9 + 10 + 9);
}

static void test_check_digits(void **state)
{
    (void)state;
    static const struct {
        Mykey__Registry__CheckDigit check;
        const char *ends, *number, *text;
    } rows[] = {{MOD16, "AB", "37859", "A37859+B"},       /* 16+32+17 = 65, 16-1 = 15 */
                {MOD16, "AA", "0", "A00A"},               /* 32: nothing is missing */
                {MOD16, "AA", "12345678", "A12345678:A"}, /* 36+32 = 68, rest 4, 12 */
                {DR7, "AA", "123456", "A1234564A"},       /* 17636 rest 4 */
                {DR7, "DC", "086", "D0862C"},
                {NONE, "BC", "086", "B086C"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        output_rules made_rules = rules(NW7, rows[i].check, rows[i].ends);
        (void)draw(&made_rules, rows[i].number, "nw7", rows[i].text);
    }
}

static void test_code39(void **state)
{
    (void)state;
    output_rules code39 = rules(CODE39, NONE, "AA");
    barcode made = draw(&code39, "12345678", "code39", "12345678");
    /* * = 100101101101 */
    assert_memory_equal(made.modules, "1001011011010110100101011", 25);
    assert_int_equal(strlen(made.modules) % 13, 12); /* 10 characters of 12 modules, gaps of 1 */
    (void)draw(&code39, "AB-1 $/+%.", "code39", "AB-1 $/+%.");
}

static void test_what_can_not_be_drawn(void **state)
{
    (void)state;
    barcode made = {.text = "untouched"};
    char longest[NUMBER_MAX + 2];
    output_rules nw7 = rules(NW7, NONE, "AA"), checked = rules(NW7, DR7, "AA"), code39 = rules(CODE39, MOD16, "AA");
    memset(longest, '1', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(barcode_encode(&nw7, "12A", &made), MK_NUMBER_INVALID);
    assert_int_equal(barcode_encode(&nw7, "", &made), MK_NUMBER_INVALID);
    assert_int_equal(barcode_encode(&nw7, longest, &made), MK_NUMBER_INVALID);
    assert_int_equal(barcode_encode(&checked, "1-2", &made), MK_NUMBER_INVALID);
    assert_int_equal(barcode_encode(&code39, "12", &made), MK_NUMBER_INVALID);
    assert_int_equal(barcode_encode(&code39, "ab", &made), MK_NUMBER_INVALID);
    assert_string_equal(made.text, "untouched");
}

/* ---- keys ---- */

static void plan_text(keymap_layout layout, const output_rules *with, const char *number, char *out, size_t cap)
{
    key_stroke strokes[KEYMAP_STROKES_MAX];
    size_t count = 0, used = 0;
    assert_int_equal(keymap_plan(layout, with, number, strokes, &count), MK_OK);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s%d ", strokes[i].shift ? "+" : "", strokes[i].code);
}

static void test_key_plans(void **state)
{
    (void)state;
    static const struct {
        keymap_layout layout;
        Mykey__Registry__Symbology symbology;
        int suffix;
        bool ends;
        const char *number, *plan; /* Linux key codes, + = with shift */
    } rows[] = {
        {KEYMAP_JP, NW7, 2, false, "0123456789", "11 2 3 4 5 6 7 8 9 10 28 "},
        {KEYMAP_JP, NW7, 3, false, "086", "11 9 7 15 "},
        {KEYMAP_JP, NW7, 1, false, "7", "8 "},
        {KEYMAP_JP, NW7, 2, true, "789", "+30 8 9 10 +48 28 "},
        {KEYMAP_US, CODE39, 1, true, "AZ", "+30 +44 "},
        {KEYMAP_JP, NW7, 1, false, "-$:/.+", "12 +5 40 53 52 +39 "},
        {KEYMAP_US, NW7, 1, false, "-$:/.+", "12 +5 +39 53 52 +13 "},
        {KEYMAP_JP, CODE39, 1, false, " %", "57 +6 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        output_rules with = rules(rows[i].symbology, NONE, "AB");
        with.suffix = rows[i].suffix;
        with.key_start_stop = rows[i].ends;
        plan_text(rows[i].layout, &with, rows[i].number, text, sizeof text);
        assert_string_equal(text, rows[i].plan);
    }
}

static void test_keys_refuse_other_characters(void **state)
{
    (void)state;
    static const char *const numbers[] = {"", "12A", "1\n2", "1\t", "é", "1;rm", "MY123456"};
    output_rules nw7 = rules(NW7, NONE, "AA");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        key_stroke strokes[KEYMAP_STROKES_MAX];
        size_t count = 5;
        assert_int_equal(keymap_plan(KEYMAP_JP, &nw7, numbers[i], strokes, &count), MK_NUMBER_INVALID);
        assert_int_equal(count, 5);
    }
}

static void test_key_events(void **state)
{
    (void)state;
    struct input_event events[8];
    assert_int_equal(keyboard_events((key_stroke){KEY_7, false}, events), 4);
    assert_int_equal(events[0].code, KEY_7);
    assert_int_equal(events[0].value, 1);
    assert_int_equal(events[2].value, 0);
    assert_int_equal(keyboard_events((key_stroke){KEY_A, true}, events), 6);
    assert_int_equal(events[0].code, KEY_LEFTSHIFT);
    assert_int_equal(events[4].code, KEY_LEFTSHIFT);
    assert_int_equal(events[4].value, 0); /* nothing stays pressed */
    assert_int_equal(events[5].type, EV_SYN);
}

static void test_no_uinput(void **state)
{
    (void)state;
    keyboard_t *keyboard = keyboard_new(NULL, "/nonexistent/uinput", KEYMAP_JP);
    output_rules nw7 = rules(NW7, NONE, "AA");
    assert_int_equal(keyboard_plug(keyboard), PROBLEM_KEYBOARD_UNAVAILABLE);
    assert_int_equal(keyboard_type(keyboard, &nw7, "1", NULL, NULL), PROBLEM_KEYBOARD_UNAVAILABLE);
    keyboard_destroy(&keyboard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_out_of_range_settings_fall_back),
        cmocka_unit_test(test_reading_numbers),
        cmocka_unit_test(test_nw7_golden),
        cmocka_unit_test(test_check_digits),
        cmocka_unit_test(test_code39),
        cmocka_unit_test(test_what_can_not_be_drawn),
        cmocka_unit_test(test_key_plans),
        cmocka_unit_test(test_keys_refuse_other_characters),
        cmocka_unit_test(test_key_events),
        cmocka_unit_test(test_no_uinput),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
