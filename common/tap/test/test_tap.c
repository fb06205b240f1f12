/* SPDX-License-Identifier: Apache-2.0 */
#include "common/tap/tap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/bytes.h"
#include "common/pb/pb.h"

static uint8_t key_hash[32], object[32], request_id[16], nonce[32];

static void fill(Mykey__TapStatement *s)
{
    mykey__tap_statement__init(s);
    memset(key_hash, 1, 32);
    memset(object, 2, 32);
    memset(request_id, 3, 16);
    memset(nonce, 4, 32);
    s->has_version = s->has_terminal_key_sha256 = s->has_purpose = s->has_object = s->has_request_id = 1;
    s->has_nonce = s->has_issued_at_ms = s->has_expires_at_ms = s->has_assurance = 1;
    s->version = 1;
    s->environment = "dev";
    s->terminal_id = "t-1";
    s->terminal_key_sha256 = (ProtobufCBinaryData){32, key_hash};
    s->origin = "https://edge.mykey.example";
    s->purpose = MYKEY__PURPOSE__PURPOSE_LINK;
    s->audience = "A1";
    s->object = (ProtobufCBinaryData){32, object};
    s->request_id = (ProtobufCBinaryData){16, request_id};
    s->nonce = (ProtobufCBinaryData){32, nonce};
    s->issued_at_ms = 1000;
    s->expires_at_ms = 16000;
    s->assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
}

/* Written by hand from docs/tap.md; a second implementation (tools/dev, Python) must give the same. */
static void the_canonical_form_is_the_documented_one(void **state)
{
    (void)state;
    Mykey__TapStatement s;
    uint8_t out[TAP_CANONICAL_MAX];
    size_t size;
    fill(&s);
    assert_int_equal(tap_statement_canonical(&s, out, &size), MK_OK);
    static const char head[] = "MYKEY-TAP-1\0"
                               "\x01\0\0\0\x08\0\0\0\0\0\0\0\x01"
                               "\x02\0\0\0\x03"
                               "dev"
                               "\x03\0\0\0\x03"
                               "t-1"
                               "\x04\0\0\0\x20";
    assert_memory_equal(out, head, sizeof head - 1);
    static const char tail[] = "\x0e\0\0\0\x08\0\0\0\0\0\0\x3e\x80"
                               "\x0f\0\0\0\x08\0\0\0\0\0\0\0\x01";
    assert_memory_equal(out + size - (sizeof tail - 1), tail, sizeof tail - 1);
    assert_int_equal(size, 12 + 13 + 8 + 8 + 37 + 5 + 26 + 13 + 7 + 37 + 13 + 5 + 21 + 37 + 13 + 13 + 13);
}

typedef void change_fn(Mykey__TapStatement *s);

static uint8_t other[32] = {9};
static void change_environment(Mykey__TapStatement *s)
{
    s->environment = "prod";
}
static void change_terminal(Mykey__TapStatement *s)
{
    s->terminal_id = "t-2";
}
static void change_key(Mykey__TapStatement *s)
{
    s->terminal_key_sha256.data = other;
}
static void change_origin(Mykey__TapStatement *s)
{
    s->origin = "https://edge.mykey.examplf";
}
static void change_purpose(Mykey__TapStatement *s)
{
    s->purpose = MYKEY__PURPOSE__PURPOSE_UNLINK;
}
static void change_audience(Mykey__TapStatement *s)
{
    s->audience = "B1";
}
static void change_object(Mykey__TapStatement *s)
{
    s->object.data = other;
}
static void drop_object(Mykey__TapStatement *s)
{
    s->has_object = 0;
}
static void change_request(Mykey__TapStatement *s)
{
    s->request_id.data = other;
}
static void change_nonce(Mykey__TapStatement *s)
{
    s->nonce.data = other;
}
static void change_issue(Mykey__TapStatement *s)
{
    s->issued_at_ms++;
}
static void change_expiry(Mykey__TapStatement *s)
{
    s->expires_at_ms--;
}
static void change_assurance(Mykey__TapStatement *s)
{
    s->assurance = MYKEY__ASSURANCE__ASSURANCE_PRESENCE;
}
static void change_amount(Mykey__TapStatement *s)
{
    s->has_amount = 1;
    s->amount = 700;
    s->unit = "pt";
}

static void every_field_changes_the_digest(void **state)
{
    (void)state;
    static const struct {
        change_fn *change;
        const char *field;
    } rows[] = {
        {change_environment, "environment"}, {change_terminal, "terminal_id"},
        {change_key, "terminal_key_sha256"}, {change_origin, "origin"},
        {change_purpose, "purpose"},         {change_audience, "audience"},
        {change_object, "object"},           {drop_object, "object"},
        {change_request, "request_id"},      {change_nonce, "nonce"},
        {change_issue, "issued_at_ms"},      {change_expiry, "expires_at_ms"},
        {change_assurance, "assurance"},     {change_amount, "amount"},
    };
    Mykey__TapStatement good;
    uint8_t digest[32];
    fill(&good);
    assert_int_equal(tap_statement_digest(&good, digest), MK_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Mykey__TapStatement changed = good;
        uint8_t changed_digest[32];
        const char *field = NULL;
        rows[i].change(&changed);
        assert_int_equal(tap_statement_digest(&changed, changed_digest), MK_OK);
        assert_memory_not_equal(digest, changed_digest, 32);
        assert_int_equal(tap_statement_same(&good, &changed, &field), MK_CHALLENGE_MISMATCH);
        assert_string_equal(field, rows[i].field);
    }
    assert_int_equal(tap_statement_same(&good, &good, NULL), MK_OK);
}

static void break_version(Mykey__TapStatement *s)
{
    s->version = 2;
}
static void break_environment(Mykey__TapStatement *s)
{
    s->environment = "DEV";
}
static void break_terminal(Mykey__TapStatement *s)
{
    s->terminal_id = NULL;
}
static void break_key(Mykey__TapStatement *s)
{
    s->terminal_key_sha256.len = 31;
}
static void break_origin(Mykey__TapStatement *s)
{
    s->origin = "http://edge";
}
static void break_purpose(Mykey__TapStatement *s)
{
    s->purpose = 99;
}
static void break_audience(Mykey__TapStatement *s)
{
    s->audience = "a very long operator id that does not fit";
}
static void break_object(Mykey__TapStatement *s)
{
    s->object.len = 16;
}
static void break_amount(Mykey__TapStatement *s)
{
    s->has_amount = 1, s->amount = 1;
}
static void break_unit(Mykey__TapStatement *s)
{
    s->unit = "pt";
}
static void break_request(Mykey__TapStatement *s)
{
    s->has_request_id = 0;
}
static void break_nonce(Mykey__TapStatement *s)
{
    s->nonce.len = 0;
}
static void break_times(Mykey__TapStatement *s)
{
    s->expires_at_ms = s->issued_at_ms;
}
static void break_life(Mykey__TapStatement *s)
{
    s->expires_at_ms++;
}
static void break_assurance(Mykey__TapStatement *s)
{
    s->assurance = 0;
}

static void a_field_out_of_range_is_named(void **state)
{
    (void)state;
    static const struct {
        change_fn *change;
        const char *field;
    } rows[] = {
        {break_version, "version"},      {break_environment, "environment"},
        {break_terminal, "terminal_id"}, {break_key, "terminal_key_sha256"},
        {break_origin, "origin"},        {break_purpose, "purpose"},
        {break_audience, "audience"},    {break_object, "object"},
        {break_amount, "amount"},        {break_unit, "amount"},
        {break_request, "request_id"},   {break_nonce, "nonce"},
        {break_times, "expires_at_ms"},  {break_life, "expires_at_ms"},
        {break_assurance, "assurance"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Mykey__TapStatement s;
        const char *field = NULL;
        fill(&s);
        rows[i].change(&s);
        assert_int_equal(tap_statement_check(&s, &field), MK_BAD_REQUEST);
        assert_string_equal(field, rows[i].field);
    }
}

static void objects_differ_where_their_parts_do(void **state)
{
    (void)state;
    uint8_t a[32], b[32];
    tap_object_link("A1", "789", "1", a);
    tap_object_link("A1", "78", "91", b);
    assert_memory_not_equal(a, b, 32);
    tap_object_link("A1", "789", "2", b);
    assert_memory_not_equal(a, b, 32);
    tap_object_terms("1", a);
    tap_object_terms("2", b);
    assert_memory_not_equal(a, b, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_canonical_form_is_the_documented_one), cmocka_unit_test(every_field_changes_the_digest),
        cmocka_unit_test(a_field_out_of_range_is_named), cmocka_unit_test(objects_differ_where_their_parts_do)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
