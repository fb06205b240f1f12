/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/ident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"

static void makes_their_alphabets(void **state)
{
    char id[IDENT_MYKEY_SIZE + 1], code[IDENT_SUSPEND_SIZE + 1], invite[IDENT_INVITE_SIZE + 1],
        terminal[IDENT_TERMINAL_SIZE + 1];
    (void)state;
    for (int i = 0; i < 2000; i++) {
        ident_make_mykey_id(id);
        ident_make_suspend_code(code);
        ident_make_invite(invite);
        ident_make_terminal_id(terminal);
        assert_true(text_is_made_of(id, TEXT_UPPER TEXT_DIGITS, 8, 8));
        assert_true(text_is_made_of(code, TEXT_DIGITS, 16, 16));
        assert_true(text_is_made_of(invite, TEXT_UPPER "234567", 26, 26));
        assert_true(strncmp(terminal, "t-", 2) == 0 && text_is_made_of(terminal, TEXT_ID, 18, 18));
    }
}

/* Every character at every place, in about equal shares: 36,000 draws of 36 characters, 1,000 each. */
static void mykey_ids_are_uniform(void **state)
{
    unsigned seen[8][128] = {{0}};
    char id[IDENT_MYKEY_SIZE + 1];
    (void)state;
    for (int i = 0; i < 36000; i++) {
        ident_make_mykey_id(id);
        for (int place = 0; place < 8; place++) seen[place][(unsigned char)id[place]]++;
    }
    for (int place = 0; place < 8; place++) {
        for (const char *c = TEXT_UPPER TEXT_DIGITS; *c != '\0'; c++) {
            assert_in_range(seen[place][(unsigned char)*c], 750, 1250); /* eight standard deviations */
        }
    }
}

static void reads_codes_as_people_type_them(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"1234567890123456", true},
        {"1234 5678 9012 3456", true},
        {" 1234-5678-9012-3456 ", true},
        {"１２３４　５６７８　９０１２　３４５６", true},
        {"123456789012345", false},
        {"12345678901234567", false},
        {"", false},
        {"123456789012345A", false},
        {"1234567890123456\xff", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[IDENT_SUSPEND_SIZE + 1] = "untouched";
        mk_code code = ident_read_suspend_code(rows[i].text, out);
        assert_int_equal(code, rows[i].good ? MK_OK : MK_BAD_REQUEST);
        assert_string_equal(out, rows[i].good ? "1234567890123456" : "untouched");
    }
}

static void reads_invites(void **state)
{
    char made[IDENT_INVITE_SIZE + 1], typed[64], out[IDENT_INVITE_SIZE + 1];
    (void)state;
    ident_make_invite(made);
    snprintf(typed, sizeof typed, "%.6s-%.20s", made, made + 6);
    for (char *p = typed; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p + 32);
    }
    assert_int_equal(ident_read_invite(typed, out), MK_OK);
    assert_string_equal(out, made);
    made[3] = '1'; /* not a character of base32 */
    assert_int_equal(ident_read_invite(made, out), MK_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_their_alphabets),
        cmocka_unit_test(mykey_ids_are_uniform),
        cmocka_unit_test(reads_codes_as_people_type_them),
        cmocka_unit_test(reads_invites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
