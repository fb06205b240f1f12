/* SPDX-License-Identifier: Apache-2.0 */
/* The strict reader by itself: OpenSSL as the second opinion, and what DER forbids. */
#include "services/jpki-verify/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/jpki-verify/test/authority.h"
#include "services/jpki-verify/test/compare.h"

static void expect_agreement(const char *what, der_t data)
{
    certificate_t fields;
    if (!certificate_read(data, &fields)) return;
    const char *differs = compare_with_openssl(data, &fields);
    if (differs != NULL) fail_msg("%s: OpenSSL sees %s otherwise", what, differs);
}

static void variants_agree_with_openssl(void **state)
{
    (void)state;
    authority_row rows[AUTHORITY_ROWS_MAX];
    size_t count = authority_index("variants/index", rows), accepted = 0;
    for (size_t i = 0; i < count; i++) {
        certificate_t fields;
        der_t data = authority_read("variants/%s.der", rows[i].name);
        expect_agreement(rows[i].name, data);
        accepted += certificate_read(data, &fields);
        authority_free(data);
    }
    assert_true(accepted > 40);
}

/* Octets of good certificates changed one by one: nothing is accepted that OpenSSL reads otherwise. */
static void changed_octets_agree_with_openssl(void **state)
{
    (void)state;
    der_t data = authority_read("variants/good.der");
    uint8_t *octets = (uint8_t *)data.data;
    const uint8_t changes[] = {0x01, 0x80, 0x20, 0xFF};
    for (size_t i = 0; i < data.size; i++) {
        for (size_t c = 0; c < sizeof changes; c++) {
            octets[i] ^= changes[c];
            expect_agreement("a changed octet", data);
            octets[i] ^= changes[c];
        }
    }
    authority_free(data);
}

static void every_shorter_one_is_refused(void **state)
{
    (void)state;
    certificate_t fields;
    der_t data = authority_read("variants/good.der");
    for (size_t size = 0; size < data.size; size++) {
        uint8_t *part = malloc(size + 1); /* its own block, so that a sanitizer sees what is read past it */
        memcpy(part, data.data, size);
        assert_false(certificate_read((der_t){part, size}, &fields));
        free(part);
    }
    authority_free(data);
}

/* ---- DER ---- */

typedef struct sample {
    const char *bytes;
    size_t size;
    bool right;
} sample;

#define SAMPLE(text, right)               \
    {                                     \
        (text), sizeof(text) - 1, (right) \
    }

static void lengths(void **state)
{
    (void)state;
    static const sample samples[] = {
        SAMPLE("\x04\x00", true),
        SAMPLE("\x04\x01\x41", true),
        SAMPLE("\x04", false),
        SAMPLE("\x04\x02\x41", false),
        SAMPLE("\x04\x80\x00\x00", false),
        SAMPLE("\x04\x81\x01\x41", false),
        SAMPLE("\x04\x82\x00\x80", false),
        SAMPLE("\x1f\x01\x41", false),
        SAMPLE("\x04\xff\x00", false),
        SAMPLE("\x04\x85\x01\x00\x00\x00\x00", false),
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        uint8_t tag;
        der_t in = {(const uint8_t *)samples[i].bytes, samples[i].size}, content;
        assert_int_equal(der_next(&in, &tag, &content), samples[i].right);
    }
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        sample sample;
        uint32_t value;
    } cases[] = {
        {SAMPLE("\x02\x01\x00", true), 0},
        {SAMPLE("\x02\x01\x7f", true), 127},
        {SAMPLE("\x02\x02\x00\x80", true), 128},
        {SAMPLE("\x02\x05\x00\xff\xff\xff\xff", true), 0xFFFFFFFF},
        {SAMPLE("\x02\x05\x01\x00\x00\x00\x00", false), 0},
        {SAMPLE("\x02\x01\x80", false), 0},
        {SAMPLE("\x02\x02\x00\x7f", false), 0},
        {SAMPLE("\x02\x02\xff\x80", false), 0},
        {SAMPLE("\x02\x00", false), 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t value = 0;
        der_t in = {(const uint8_t *)cases[i].sample.bytes, cases[i].sample.size};
        assert_int_equal(der_small(&in, &value), cases[i].sample.right);
        if (cases[i].sample.right) assert_int_equal(value, cases[i].value);
    }
}

static void times(void **state)
{
    (void)state;
    static const struct {
        sample sample;
        int64_t seconds;
    } cases[] = {
        {SAMPLE("\x17\x0d"
                "700101000000Z",
                true),
         0},
        {SAMPLE("\x17\x0d"
                "240229235959Z",
                true),
         1709251199},
        {SAMPLE("\x17\x0d"
                "491231235959Z",
                true),
         2524607999},
        {SAMPLE("\x17\x0d"
                "500101000000Z",
                true),
         -631152000},
        {SAMPLE("\x18\x0f"
                "20500101000000Z",
                true),
         2524608000},
        {SAMPLE("\x18\x0f"
                "21000301000000Z",
                true),
         4107542400},
        {SAMPLE("\x18\x0f"
                "21000229000000Z",
                false),
         0},
        {SAMPLE("\x18\x0f"
                "20491231235959Z",
                false),
         0},
        {SAMPLE("\x17\x0d"
                "230229000000Z",
                false),
         0},
        {SAMPLE("\x17\x0d"
                "240001000000Z",
                false),
         0},
        {SAMPLE("\x17\x0d"
                "240100000000Z",
                false),
         0},
        {SAMPLE("\x17\x0d"
                "241301000000Z",
                false),
         0},
        {SAMPLE("\x17\x0d"
                "240101240000Z",
                false),
         0},
        {SAMPLE("\x17\x0d"
                "240101006000Z",
                false),
         0},
        {SAMPLE("\x17\x0d"
                "240101000060Z",
                false),
         0},
        {SAMPLE("\x17\x0d"
                "2401010000 0Z",
                false),
         0},
        {SAMPLE("\x17\x0d"
                "2401010000000",
                false),
         0},
        {SAMPLE("\x17\x0b"
                "2401010000Z",
                false),
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t seconds = 0;
        der_t in = {(const uint8_t *)cases[i].sample.bytes, cases[i].sample.size};
        assert_int_equal(der_time(&in, &seconds), cases[i].sample.right);
        if (cases[i].sample.right) assert_true(seconds == cases[i].seconds);
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    uint8_t nested[64];
    for (size_t i = 0; i < 32; i++) {
        nested[2 * i] = DER_SEQUENCE;
        nested[2 * i + 1] = (uint8_t)(64 - 2 * (i + 1));
    }
    assert_false(der_well_formed((der_t){nested, 64}));
    assert_true(der_well_formed((der_t){nested + 48, 16}));
}

static void elements_have_the_content_of_their_type(void **state)
{
    (void)state;
    static const sample samples[] = {
        SAMPLE("\x05\x00", true),          SAMPLE("\x05\x01\x30", false),
        SAMPLE("\x01\x01\xff", true),      SAMPLE("\x01\x01\x01", false),
        SAMPLE("\x02\x01\x05", true),      SAMPLE("\x02\x02\x00\x05", false),
        SAMPLE("\x0a\x01\x00", true),      SAMPLE("\x0a\x00", false),
        SAMPLE("\x03\x02\x07\x80", true),  SAMPLE("\x03\x02\x07\x81", false),
        SAMPLE("\x03\x02\x08\x00", false), SAMPLE("\x03\x01\x00", true),
        SAMPLE("\x03\x01\x01", false),     SAMPLE("\x03\x00", false),
        SAMPLE("\x06\x01\x2a", true),      SAMPLE("\x06\x01\x80", false),
        SAMPLE("\x1e\x02\x00\x41", true),  SAMPLE("\x1e\x01\x41", false),
        SAMPLE("\x1c\x02\x00\x41", false), SAMPLE("\x17\x01\x5a", false),
        SAMPLE("\x10\x00", false),         SAMPLE("\x24\x02\x04\x00", false),
        SAMPLE("\x09\x00", false),         SAMPLE("\x80\x01\x41", true),
        SAMPLE("\xa0\x02\x05\x00", true),  SAMPLE("\xa0\x03\x05\x01\x30", false),
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        der_t in = {(const uint8_t *)samples[i].bytes, samples[i].size};
        if (der_well_formed(in) != samples[i].right) fail_msg("sample %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_have_the_content_of_their_type),
        cmocka_unit_test(variants_agree_with_openssl),
        cmocka_unit_test(changed_octets_agree_with_openssl),
        cmocka_unit_test(every_shorter_one_is_refused),
        cmocka_unit_test(lengths),
        cmocka_unit_test(integers),
        cmocka_unit_test(times),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, authority_setup, NULL);
}
