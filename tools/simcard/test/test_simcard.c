/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no card: taking commands apart, arming faults, the log's lines. The rest is tests/integration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/bytes.h"
#include "tools/simcard/control.h"

static void test_apdu_cases(void **state)
{
    static const struct row {
        const char *hex;
        bool right;
        apdu_kind kind;
        size_t lc, le;
    } rows[] = {
        {"00200080", true, APDU_TRIES, 0, 0},
        {"002000800431323334", true, APDU_VERIFY, 4, 0},
        {"00B0000000", true, APDU_READ, 0, 256},
        {"00B0000004", true, APDU_READ, 0, 4},
        {"00A4040C02AABB", true, APDU_SELECT, 2, 0},
        {"00A4020C020018", true, APDU_SELECT_EF, 2, 0},
        {"802A008001AA00", true, APDU_SIGN, 1, 256},
        {"002401800431323334", true, APDU_CHANGE, 4, 0},
        {"00CA000000", true, APDU_OTHER, 0, 256},
        {"00A40000", true, APDU_OTHER, 0, 0},
        {"", false, 0, 0, 0},
        {"002000", false, 0, 0, 0},
        {"00200080043132", false, 0, 0, 0},
        {"0020008004313233343536", false, 0, 0, 0},
        {"00B00000000100", false, 0, 0, 0},
        {"00B0000000000001AA", false, 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[32];
        apdu command = {0};
        size_t size = strlen(rows[i].hex) / 2;
        assert_int_equal(bytes_from_hex(rows[i].hex, bytes, size), MK_OK);
        assert_int_equal(apdu_parse(bytes, size, &command), rows[i].right);
        if (!rows[i].right) continue;
        assert_int_equal(command.kind, rows[i].kind);
        assert_int_equal(command.lc, rows[i].lc);
        assert_int_equal(command.le, rows[i].le);
    }
}

static void test_apdu_names(void **state)
{
    (void)state;
    for (int kind = 0; kind < APDU_KIND_COUNT; kind++) {
        assert_int_equal(apdu_kind_find(apdu_kind_name((apdu_kind)kind)), kind);
    }
    assert_int_equal(apdu_kind_find("any"), APDU_KIND_COUNT);
    assert_int_equal(apdu_kind_find("sing"), -1);
}

static void test_fault_arguments(void **state)
{
    static const struct row {
        const char *text;
        mk_code code;
    } rows[] = {
        {"none", MK_OK},
        {"hang", MK_OK},
        {"hang sign", MK_OK},
        {"hang read:3", MK_OK},
        {"hang 7", MK_OK},
        {"hang 0", MK_BAD_REQUEST},
        {"hang read:0", MK_BAD_REQUEST},
        {"hang read:x", MK_BAD_REQUEST},
        {"hang a b", MK_BAD_REQUEST},
        {"sw 6CFF", MK_OK},
        {"sw 6C", MK_BAD_REQUEST},
        {"sw 6CF", MK_BAD_REQUEST},
        {"slow 100 verify", MK_OK},
        {"slow 99999", MK_BAD_REQUEST},
        {"remove-at sign after", MK_OK},
        {"remove-at sign", MK_BAD_REQUEST},
        {"swap-at sign ../x", MK_BAD_REQUEST},
        {"cert-from absent", MK_NOT_FOUND},
        {"token 123456789012345678901234567890123", MK_BAD_REQUEST},
        {"", MK_NOT_FOUND},
        {"nonsense", MK_NOT_FOUND},
    };
    (void)state;
    char why[CARD_WHY_MAX];
    fault_t *fault = fault_new("/nowhere");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(fault_set(fault, "tries-always", why), MK_OK);
        assert_int_equal(fault_set(fault, rows[i].text, why), rows[i].code);
        assert_string_equal(fault_text(fault), rows[i].code == MK_OK ? rows[i].text : "tries-always");
    }
    fault_destroy(&fault);
}

static void test_fault_counts_commands_of_its_kind(void **state)
{
    static const apdu read = {.kind = APDU_READ}, sign = {.kind = APDU_SIGN};
    char why[CARD_WHY_MAX];
    fault_t *fault = fault_new("/nowhere");
    (void)state;
    assert_int_equal(fault_set(fault, "remove-at read:2 between", why), MK_OK);
    assert_int_equal(fault_before(fault, &read, true).then, FAULT_STAY);
    assert_int_equal(fault_before(fault, &sign, false).then, FAULT_STAY);
    fault_plan plan = fault_before(fault, &read, false);
    assert_int_equal(plan.then, FAULT_REMOVE);
    assert_true(plan.execute && plan.answer);
    assert_string_equal(fault_text(fault), "none");
    fault_destroy(&fault);
}

static void test_journal_keeps_the_newest(void **state)
{
    journal_t *journal = journal_new();
    journal_place place = {0, 1, "card"};
    char wanted[64];
    (void)state;
    journal_set_label(journal, "a\"b\n.c");
    for (int i = 0; i < JOURNAL_LINES_MAX + 5; i++) {
        place.session = (unsigned)i;
        journal_event(journal, &place, "reset");
    }
    assert_int_equal(journal_count(journal), JOURNAL_LINES_MAX);
    assert_non_null(strstr(journal_line(journal, 0), "\"session\":5,"));
    snprintf(wanted, sizeof wanted, "\"session\":%d,", JOURNAL_LINES_MAX + 4);
    assert_non_null(strstr(journal_line(journal, JOURNAL_LINES_MAX - 1), wanted));
    assert_non_null(strstr(journal_line(journal, 0), "\"label\":\"ab.c\""));
    journal_clear(journal);
    assert_int_equal(journal_count(journal), 0);
    journal_destroy(&journal);
}

static void test_card_names(void **state)
{
    (void)state;
    assert_true(card_name_valid("card-1"));
    assert_false(card_name_valid("../card-1"));
    assert_false(card_name_valid("a/b"));
    assert_false(card_name_valid(".hidden"));
    assert_false(card_name_valid(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apdu_cases),
        cmocka_unit_test(test_apdu_names),
        cmocka_unit_test(test_fault_arguments),
        cmocka_unit_test(test_fault_counts_commands_of_its_kind),
        cmocka_unit_test(test_journal_keeps_the_newest),
        cmocka_unit_test(test_card_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
