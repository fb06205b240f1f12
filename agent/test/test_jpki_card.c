/* SPDX-License-Identifier: Apache-2.0 */
/* The APDU layer against a scripted transmit function: good cards, wrong cards, hostile answers. */
#include "agent/card/jpki_card.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/bytes.h"

enum { KEYS = 2 };
static EVP_PKEY *keys[KEYS];
static uint8_t certificate[JPKI_CERT_MAX];
static size_t certificate_size;

/* A card whose answers can be bent one at a time. */
typedef struct script {
    const char *token;
    uint8_t image[JPKI_CERT_MAX + 512]; /* EF 000A */
    size_t image_size;
    unsigned selected;
    unsigned tries;
    bool verified;
    const char *pin;
    unsigned sign_key;
    /* bending */
    unsigned bend_ins;        /* answer this INS with … */
    unsigned bend_sw;         /* … this status word */
    int bend_length;          /* … or with so many bytes in all; -1 = no */
    unsigned bend_from;       /* from this occurrence on, counted from 1 */
    problem_t bend_transport; /* … or not at all */
    unsigned seen;
    /* what was asked */
    unsigned count, verifies, first_sw;
    bool illegal;
} script_t;

static const uint8_t aid_select[] = {0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0xF0,
                                     0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01};

static bool is_allowed(const uint8_t *c, size_t size)
{
    if (size == sizeof aid_select && memcmp(c, aid_select, size) == 0) return true;
    if (size == 7 && memcmp(c, "\x00\xA4\x02\x0C\x02\x00", 6) == 0)
        return c[6] == 0x06 || c[6] == 0x0A || c[6] == 0x17 || c[6] == 0x18;
    if (size == 5 && c[0] == 0 && c[1] == 0xB0) return true;
    if (size == 4 && memcmp(c, "\x00\x20\x00\x80", 4) == 0) return true;
    if (size == 9 && memcmp(c, "\x00\x20\x00\x80\x04", 5) == 0) return true;
    return size == 57 && memcmp(c, "\x80\x2A\x00\x80\x33\x30\x31\x30", 8) == 0 && c[56] == 0;
}

static size_t finish(uint8_t *reply, size_t size, unsigned sw)
{
    reply[size] = (uint8_t)(sw >> 8);
    reply[size + 1] = (uint8_t)sw;
    return size + 2;
}

static size_t on_read(script_t *s, const uint8_t *c, uint8_t *reply)
{
    size_t offset = (size_t)c[2] << 8 | c[3], want = c[4] ? c[4] : 256;
    uint8_t token[160];
    memset(token, ' ', sizeof token);
    memcpy(token, s->token, strlen(s->token));
    const uint8_t *data = s->selected == 0x06 ? token : s->image;
    size_t size = s->selected == 0x06 ? sizeof token : s->image_size;
    if (offset >= size) return finish(reply, 0, 0x6B00);
    if (want > size - offset) want = size - offset;
    memcpy(reply, data + offset, want);
    return finish(reply, want, 0x9000);
}

static size_t on_verify(script_t *s, const uint8_t *c, size_t size, uint8_t *reply)
{
    if (size == 4) return finish(reply, 0, 0x63C0 | s->tries);
    s->verifies++;
    if (s->tries == 0) return finish(reply, 0, 0x6984);
    s->verified = memcmp(c + 5, s->pin, 4) == 0;
    s->tries = s->verified ? 3 : s->tries - 1;
    return finish(reply, 0, s->verified ? 0x9000 : 0x63C0 | s->tries);
}

static size_t on_sign(script_t *s, const uint8_t *c, uint8_t *reply)
{
    size_t size = 256;
    if (!s->verified) return finish(reply, 0, 0x6982);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(keys[s->sign_key], NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, reply, &size, c + 5, 51), 1); /* the card pads whatever it gets */
    EVP_PKEY_CTX_free(ctx);
    return finish(reply, size, 0x9000);
}

static problem_t transmit(void *arg, const uint8_t *c, size_t size, uint8_t *reply, size_t cap, size_t *ret_size)
{
    script_t *s = arg;
    s->count++;
    if (!is_allowed(c, size)) s->illegal = true;
    bool bend = c[1] == s->bend_ins && ++s->seen >= s->bend_from;
    if (bend && s->bend_transport) return s->bend_transport;
    if (bend && s->bend_length >= 0) {
        memset(reply, 0x90, cap);
        *ret_size = (size_t)s->bend_length;
        return MK_OK;
    }
    *ret_size = finish(reply, 0, 0x6D00);
    if (bend && s->bend_sw)
        *ret_size = finish(reply, 0, s->bend_sw);
    else if (s->count == 1 && s->first_sw)
        *ret_size = finish(reply, 0, s->first_sw);
    else if (c[1] == 0xA4) {
        if (c[2] == 2) s->selected = c[6];
        *ret_size = finish(reply, 0, 0x9000);
    } else if (c[1] == 0xB0)
        *ret_size = on_read(s, c, reply);
    else if (c[1] == 0x20)
        *ret_size = on_verify(s, c, size, reply);
    else if (c[1] == 0x2A)
        *ret_size = on_sign(s, c, reply);
    return MK_OK;
}

static script_t good_card(void)
{
    script_t s = {.token = "JPKIAPICCTOKEN2", .tries = 3, .pin = "1234", .bend_length = -1, .bend_from = 1};
    memset(s.image, 0xFF, sizeof s.image);
    memcpy(s.image, certificate, certificate_size);
    s.image_size = sizeof s.image;
    return s;
}

static pin_t *typed(const char *digits)
{
    pin_t *pin = pin_new();
    assert_non_null(pin);
    for (const char *d = digits; *d; d++) assert_true(pin_push(pin, *d));
    return pin;
}

static uint8_t statement[200];
static size_t statement_size = sizeof statement;

/* The whole session; the first problem. */
static problem_t session(script_t *s, const char *digits, unsigned *tries, uint8_t signature[JPKI_SIGNATURE_SIZE])
{
    jpki_card_t card = {transmit, s};
    uint8_t read[JPKI_CERT_MAX];
    size_t size = 0;
    PROBLEM_TRY(jpki_card_select(&card));
    PROBLEM_TRY(jpki_card_certificate(&card, read, &size));
    PROBLEM_TRY(jpki_card_tries(&card, tries));
    pin_t *pin = typed(digits);
    problem_t problem = jpki_card_verify(&card, pin, tries);
    assert_int_equal(pin_count(pin), 0); /* wiped, whatever came of it */
    pin_destroy(&pin);
    PROBLEM_TRY(problem);
    return jpki_card_sign(&card, statement, statement_size, read, size, signature);
}

static void test_good_session(void **state)
{
    (void)state;
    script_t s = good_card();
    unsigned tries = 0;
    uint8_t signature[JPKI_SIGNATURE_SIZE];
    assert_int_equal(session(&s, "1234", &tries, signature), MK_OK);
    assert_false(s.illegal);
    assert_int_equal(s.verifies, 1);
    assert_int_equal(tries, 3);
}

static void test_first_command_may_fail_once(void **state)
{
    (void)state;
    unsigned tries = 0;
    uint8_t signature[JPKI_SIGNATURE_SIZE];
    script_t s = good_card();
    s.first_sw = 0x6F00;
    assert_int_equal(session(&s, "1234", &tries, signature), MK_OK);
    s = good_card();
    s.bend_ins = 0xA4;
    s.bend_sw = 0x6F00;
    assert_int_equal(session(&s, "1234", &tries, signature), PROBLEM_CARD_UNREADABLE);
    assert_int_equal(s.count, 2);
}

static void test_which_card(void **state)
{
    (void)state;
    static const struct {
        const char *token;
        problem_t problem;
    } rows[] = {{"JPKIAPICCTOKEN2", MK_OK},
                {"JPKIAPICCTOKEN", PROBLEM_CARD_OLD_JUKI},
                {"JPKIAPGPSETOKEN", PROBLEM_CARD_PHONE},
                {"JPKIAPIOSTOKEN", PROBLEM_CARD_PHONE},
                {"JPKIAPICCTOKEN3", PROBLEM_CARD_NOT_MYNUMBER},
                {"JPKIAPICCTOKEN2X", PROBLEM_CARD_NOT_MYNUMBER},
                {"", PROBLEM_CARD_NOT_MYNUMBER}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        script_t s = good_card();
        jpki_card_t card = {transmit, &s};
        s.token = rows[i].token;
        assert_int_equal(jpki_card_select(&card), rows[i].problem);
    }
}

static void test_applet_absent(void **state)
{
    (void)state;
    static const unsigned absent[] = {0x6A82, 0x6A81, 0x6D00, 0x6E00, 0x6A86, 0x6999};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        script_t s = good_card();
        jpki_card_t card = {transmit, &s};
        s.bend_ins = 0xA4;
        s.bend_sw = absent[i];
        assert_int_equal(jpki_card_select(&card), PROBLEM_CARD_NOT_MYNUMBER);
        assert_int_equal(s.count, 1); /* no other applet is tried */
    }
}

/* Every command of the session, each answered wrongly in each way: an error, never a crash, never a second VERIFY. */
static void test_hostile_answers(void **state)
{
    (void)state;
    static const unsigned instructions[] = {0xA4, 0xB0, 0x20, 0x2A};
    static const unsigned words[] = {0x6CFF, 0x61FF, 0x6F00, 0x6300, 0x6A82, 0x6982, 0x6B00, 0x0001, 0x9001};
    static const int lengths[] = {0, 1, 3, 257, 258, 259};
    for (size_t i = 0; i < sizeof instructions / sizeof instructions[0]; i++) {
        for (unsigned from = 1; from <= 4; from++) {
            for (size_t k = 0; k < sizeof words / sizeof words[0] + sizeof lengths / sizeof lengths[0]; k++) {
                script_t s = good_card();
                unsigned tries = 9;
                uint8_t signature[JPKI_SIGNATURE_SIZE];
                s.bend_ins = instructions[i];
                s.bend_from = from;
                if (k < sizeof words / sizeof words[0])
                    s.bend_sw = words[k];
                else
                    s.bend_length = lengths[k - sizeof words / sizeof words[0]];
                problem_t problem = session(&s, "1234", &tries, signature);
                bool bent = s.seen >= from;
                if (bent && !(instructions[i] == 0xA4 && s.bend_sw == 0x6F00 && from == 1 && s.seen == 1))
                    assert_int_not_equal(problem, MK_OK);
                assert_true(s.verifies <= 1);
                assert_true(s.count < 100);
            }
        }
    }
}

static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        int length;
        problem_t problem;
    } rows[] = {{0, PROBLEM_CARD_REMOVED}, {1, PROBLEM_CARD_UNREADABLE}, {35, PROBLEM_CARD_UNREADABLE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        script_t s = good_card();
        jpki_card_t card = {transmit, &s};
        s.bend_ins = 0xB0;
        s.bend_length = rows[i].length; /* 32 bytes are asked for: 35 is one more than fits */
        assert_int_equal(jpki_card_select(&card), rows[i].problem);
    }
}

static void test_transport(void **state)
{
    (void)state;
    static const unsigned instructions[] = {0xA4, 0xB0, 0x20, 0x2A};
    for (size_t i = 0; i < sizeof instructions / sizeof instructions[0]; i++) {
        script_t s = good_card();
        unsigned tries = 0;
        uint8_t signature[JPKI_SIGNATURE_SIZE];
        s.bend_ins = instructions[i];
        s.bend_transport = PROBLEM_CARD_REMOVED;
        assert_int_equal(session(&s, "1234", &tries, signature), PROBLEM_CARD_REMOVED);
    }
}

static void test_certificate_headers(void **state)
{
    (void)state;
    static const char *const heads[] = {"\x30\x82\xFF\xFF", "\x30\x80\x00\x00", "\x30\x84\x7F\xFF",
                                        "\x04\x82\x04\x00", "\x30\x82\x00\x10", "\x30\x82\x1F\xFD"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        script_t s = good_card();
        jpki_card_t card = {transmit, &s};
        uint8_t out[JPKI_CERT_MAX] = {0xEE};
        size_t size = 77;
        memcpy(s.image, heads[i], 4);
        assert_int_equal(jpki_card_certificate(&card, out, &size), PROBLEM_CARD_UNREADABLE);
        assert_int_equal(size, 77);
        assert_int_equal(out[0], 0xEE); /* no effect on failure */
    }
}

/* One byte a read for ever: given up. */
static problem_t drip(void *arg, const uint8_t *c, size_t size, uint8_t *reply, size_t cap, size_t *ret_size)
{
    uint8_t whole[APDU_REPLY_MAX];
    size_t got = 0;
    (void)cap;
    PROBLEM_TRY(transmit(arg, c, size, whole, sizeof whole, &got));
    if (c[1] == 0xB0 && got > 3 && (c[2] || c[3])) {
        whole[1] = 0x90;
        whole[2] = 0x00;
        got = 3;
    }
    memcpy(reply, whole, got);
    *ret_size = got;
    return MK_OK;
}

static void test_dripping_card(void **state)
{
    (void)state;
    script_t s = good_card();
    jpki_card_t card = {drip, &s};
    uint8_t out[JPKI_CERT_MAX];
    size_t size = 0;
    assert_int_equal(jpki_card_certificate(&card, out, &size), PROBLEM_CARD_UNREADABLE);
    assert_true(s.count <= 70);
}

static void test_pin_answers(void **state)
{
    (void)state;
    static const struct {
        unsigned before, sw;
        problem_t problem;
        unsigned tries;
    } rows[] = {{3, 0, PROBLEM_PIN_WRONG, 2},           {2, 0, PROBLEM_PIN_WRONG, 1},
                {1, 0, PROBLEM_PIN_BLOCKED, 0},         {3, 0x6984, PROBLEM_PIN_BLOCKED, 0},
                {3, 0x6983, PROBLEM_PIN_BLOCKED, 0},    {3, 0x63CF, PROBLEM_PIN_WRONG, 15},
                {3, 0x6300, PROBLEM_CARD_UNREADABLE, 7}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        script_t s = good_card();
        jpki_card_t card = {transmit, &s};
        unsigned tries = 7;
        pin_t *pin = typed("9999");
        s.tries = rows[i].before;
        s.bend_ins = 0x20;
        s.bend_sw = rows[i].sw;
        s.bend_from = rows[i].sw ? 1 : 99;
        assert_int_equal(jpki_card_verify(&card, pin, &tries), rows[i].problem);
        assert_int_equal(tries, rows[i].tries);
        pin_destroy(&pin);
    }
}

static void test_tries_of_a_blocked_card(void **state)
{
    (void)state;
    static const unsigned words[] = {0x63C0, 0x6983, 0x6984};
    for (size_t i = 0; i < 3; i++) {
        script_t s = good_card();
        jpki_card_t card = {transmit, &s};
        unsigned tries = 5;
        s.bend_ins = 0x20;
        s.bend_sw = words[i];
        assert_int_equal(jpki_card_tries(&card, &tries), MK_OK);
        assert_int_equal(tries, 0);
    }
}

static void test_incomplete_pin_is_not_sent(void **state)
{
    (void)state;
    script_t s = good_card();
    jpki_card_t card = {transmit, &s};
    unsigned tries = 0;
    pin_t *pin = typed("123");
    assert_int_equal(jpki_card_verify(&card, pin, &tries), MK_BAD_REQUEST);
    assert_int_equal(s.verifies, 0);
    assert_int_equal(pin_count(pin), 0);
    pin_destroy(&pin);
}

static void test_signature_of_another_key(void **state)
{
    (void)state;
    script_t s = good_card();
    unsigned tries = 0;
    uint8_t signature[JPKI_SIGNATURE_SIZE];
    s.sign_key = 1;
    assert_int_equal(session(&s, "1234", &tries, signature), PROBLEM_CARD_UNREADABLE);
}

static void test_only_statements_are_signed(void **state)
{
    (void)state;
    script_t s = good_card();
    jpki_card_t card = {transmit, &s};
    uint8_t signature[JPKI_SIGNATURE_SIZE], other[64] = "MYKEY-TAP-2";
    assert_int_equal(jpki_card_sign(&card, other, sizeof other, certificate, certificate_size, signature),
                     MK_BAD_REQUEST);
    assert_int_equal(jpki_card_sign(&card, statement, 12, certificate, certificate_size, signature), MK_BAD_REQUEST);
    assert_int_equal(s.count, 0);
}

static EVP_PKEY *make_certificate(uint8_t *out, size_t *ret_size)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *x509 = X509_new();
    unsigned char *cursor = out;
    assert_non_null(key);
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 7);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    for (int i = 0; i < 8; i++) /* long enough for several reads */
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "OU", MBSTRING_ASC,
                                   (const unsigned char *)"a subject that fills the certificate", -1, -1, 0);
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    *ret_size = (size_t)i2d_X509(x509, &cursor);
    X509_free(x509);
    return key;
}

static int setup(void **state)
{
    (void)state;
    uint8_t unused[JPKI_CERT_MAX];
    size_t unused_size = 0;
    keys[0] = make_certificate(certificate, &certificate_size);
    keys[1] = make_certificate(unused, &unused_size);
    memcpy(statement, "MYKEY-TAP-1", 12);
    return certificate_size > 512 ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++) EVP_PKEY_free(keys[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_session),
        cmocka_unit_test(test_first_command_may_fail_once),
        cmocka_unit_test(test_which_card),
        cmocka_unit_test(test_applet_absent),
        cmocka_unit_test(test_hostile_answers),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_transport),
        cmocka_unit_test(test_certificate_headers),
        cmocka_unit_test(test_dripping_card),
        cmocka_unit_test(test_pin_answers),
        cmocka_unit_test(test_tries_of_a_blocked_card),
        cmocka_unit_test(test_incomplete_pin_is_not_sent),
        cmocka_unit_test(test_signature_of_another_key),
        cmocka_unit_test(test_only_statements_are_signed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
