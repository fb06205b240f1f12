/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/code.h"
#include "common/base/text.h"

/* ---- code ---- */

static void test_code_table(void **state)
{
    (void)state;
    unsigned count = 0;
    const mk_code_info *table = mk_code_table(&count);
    assert_true(count > 40);
    for (unsigned i = 0; i < count; i++) {
        assert_ptr_equal(mk_code_find(table[i].code), &table[i]);
        assert_true(text_is_made_of(table[i].name, TEXT_UPPER TEXT_DIGITS "_", 2, 40));
        assert_true(strlen(table[i].text_en) > 0 && strlen(table[i].text_ja) > 0);
        assert_true(text_is_utf8(table[i].text_ja, strlen(table[i].text_ja)));
        assert_true(table[i].code == MK_OK || (table[i].http_status >= 202 && table[i].http_status < 600));
        for (unsigned k = 0; k < i; k++) {
            assert_int_not_equal(table[k].code, table[i].code);
            assert_string_not_equal(table[k].name, table[i].name);
        }
    }
}

static void test_code_unknown(void **state)
{
    (void)state;
    assert_int_equal(mk_code_find(254)->code, MK_INTERNAL);
    assert_int_equal(mk_code_find(UINT32_MAX)->code, MK_INTERNAL);
    assert_string_equal(mk_code_name(MK_CERT_REVOKED), "CERT_REVOKED");
    assert_true(mk_code_find(MK_BUSY)->retryable);
    assert_false(mk_code_find(MK_CERT_REVOKED)->retryable);
}

/* ---- bytes ---- */

static void test_hex(void **state)
{
    (void)state;
    const uint8_t data[] = {0x00, 0x7f, 0xa5, 0xff};
    uint8_t back[4] = {1, 2, 3, 4};
    char text[9];
    bytes_to_hex(data, sizeof data, text);
    assert_string_equal(text, "007fa5ff");
    assert_int_equal(bytes_from_hex("007FA5ff", back, sizeof back), MK_OK);
    assert_memory_equal(back, data, sizeof data);
}

static void test_hex_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "00", "007fa5f", "007fa5fff", "007fa5fg", "0x7fa5ff", "007fa5f ", "００7fa5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t out[4] = {1, 2, 3, 4};
        assert_int_equal(bytes_from_hex(bad[i], out, sizeof out), MK_BAD_REQUEST);
        assert_memory_equal(out, ((const uint8_t[]){1, 2, 3, 4}), 4);
    }
}

static void test_random(void **state)
{
    (void)state;
    uint8_t a[600] = {0}, b[600] = {0};
    bytes_random(a, sizeof a);
    bytes_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 584, ((const uint8_t[16]){0}), 16); /* past one getrandom */
}

static void test_random_below(void **state)
{
    (void)state;
    unsigned seen[7] = {0};
    for (unsigned i = 0; i < 7000; i++) {
        uint32_t value = bytes_random_below(7);
        assert_true(value < 7);
        seen[value]++;
    }
    for (unsigned i = 0; i < 7; i++) assert_in_range(seen[i], 700, 1300); /* 10 sigma about 1000 */
    assert_int_equal(bytes_random_below(1), 0);
    for (unsigned i = 0; i < 100; i++) assert_true(bytes_random_below(0xc0000000u) < 0xc0000000u);
}

static void test_secret(void **state)
{
    (void)state;
    uint8_t a[32], b[32];
    memset(a, 7, sizeof a);
    memcpy(b, a, sizeof a);
    assert_true(bytes_equal_secret(a, b, sizeof a));
    for (size_t i = 0; i < sizeof b; i++) {
        b[i] ^= 1;
        assert_false(bytes_equal_secret(a, b, sizeof a));
        b[i] ^= 1;
    }
    bytes_wipe(a, sizeof a);
    assert_memory_equal(a, ((const uint8_t[32]){0}), 32);
}

static void check_hex(const uint8_t *data, const char *want)
{
    char text[2 * BYTES_SHA256_SIZE + 1];
    bytes_to_hex(data, BYTES_SHA256_SIZE, text);
    assert_string_equal(text, want);
}

/* FIPS 180-2 "abc"; RFC 4231 test case 2. */
static void test_digests(void **state)
{
    (void)state;
    uint8_t out[BYTES_SHA256_SIZE];
    bytes_sha256((const uint8_t *)"abc", 3, out);
    check_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* ---- text ---- */

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t size;
        bool good;
    } rows[] = {
        {"", 0, true},
        {"abc", 3, true},
        {"利用者", 9, true},
        {"\xc2\x80", 2, true},
        {"\xf0\x9f\x98\x80", 4, true},
        {"\xf4\x8f\xbf\xbf", 4, true},
        {"a\0b", 3, false},         /* NUL */
        {"\x80", 1, false},         /* stray continuation */
        {"\xc0\x80", 2, false},     /* overlong NUL */
        {"\xc1\xbf", 2, false},     /* overlong */
        {"\xe0\x9f\xbf", 3, false}, /* overlong */
        {"\xf0\x8f\xbf\xbf", 4, false},
        {"\xed\xa0\x80", 3, false},     /* surrogate */
        {"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 4, false},
        {"\xff", 1, false},
        {"\xe5\x88", 2, false}, /* cut */
        {"\xe5\x88\x29", 3, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(text_is_utf8(rows[i].data, rows[i].size), rows[i].good);
    }
}

static void test_made_of(void **state)
{
    (void)state;
    assert_true(text_is_made_of("A1", TEXT_ID, 1, 2));
    assert_false(text_is_made_of("A1x", TEXT_ID, 1, 2));
    assert_false(text_is_made_of("", TEXT_ID, 1, 2));
    assert_true(text_is_made_of("", TEXT_ID, 0, 2));
    assert_false(text_is_made_of("A_", TEXT_ID, 1, 9));
}

static void test_normalise(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"086", "086"}, {"０８６", "086"}, {"　 086　", "086"}, {"Ａ－１２", "A-12"}, {"1　2", "1 2"}, {"", ""},
        {"　", ""},     {"～！", "~!"},    {"ｱ1", "ｱ1"},        {"山０", "山0"},      {"00０", "000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[64] = "?";
        assert_int_equal(text_normalise_number(rows[i][0], out, sizeof out), MK_OK);
        assert_string_equal(out, rows[i][1]);
    }
}

static void test_normalise_refused(void **state)
{
    (void)state;
    char out[4] = "old", large[1100];
    assert_int_equal(text_normalise_number("\xff", out, sizeof out), MK_BAD_REQUEST);
    assert_int_equal(text_normalise_number("0000", out, sizeof out), MK_TOO_LARGE);
    memset(large, '1', sizeof large);
    large[sizeof large - 1] = '\0';
    assert_int_equal(text_normalise_number(large, out, sizeof out), MK_TOO_LARGE);
    assert_string_equal(out, "old");
    assert_int_equal(text_normalise_number("００７", out, sizeof out), MK_OK);
    assert_string_equal(out, "007");
}

/* ---- clock ---- */

static void test_clock(void **state)
{
    (void)state;
    uint64_t before = clock_mono_us(), wall = clock_wall_ms();
    assert_true(wall > 1700000000000u);
    assert_in_range(clock_wall_us() / 1000, wall, wall + 5000);
    assert_true(clock_mono_us() >= before);
    assert_in_range(clock_mono_ms(), before / 1000, before / 1000 + 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_table), cmocka_unit_test(test_code_unknown),
        cmocka_unit_test(test_hex),        cmocka_unit_test(test_hex_refused),
        cmocka_unit_test(test_random),     cmocka_unit_test(test_random_below),
        cmocka_unit_test(test_secret),     cmocka_unit_test(test_digests),
        cmocka_unit_test(test_utf8),       cmocka_unit_test(test_made_of),
        cmocka_unit_test(test_normalise),  cmocka_unit_test(test_normalise_refused),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
