/* SPDX-License-Identifier: Apache-2.0 */
/* Every wrong certificate of tools/testca against the table of checks. */
#include "services/jpki-verify/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/jpki-verify/test/authority.h"

static uint8_t digest[RSA_DIGEST_SIZE] = {1, 2, 3};
static authority_row variants[AUTHORITY_ROWS_MAX];
static size_t variant_count;
static trust_t *trust;

static int setup(void **state)
{
    if (authority_setup(state) != 0) return -1;
    variant_count = authority_index("variants/index", variants);
    trust = authority_trust(true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trust_destroy(&trust);
    return 0;
}

/* A tap with the card of this variant; the caller frees certificate. */
static check_subject tap_with(const char *variant, uint8_t signature[512])
{
    char key[128];
    size_t size;
    snprintf(key, sizeof key, "variants/%s.key", variant);
    authority_sign(key, digest, signature, &size);
    return (check_subject){.trust = trust,
                           .now_s = authority_now(),
                           .certificate = authority_read("variants/%s.der", variant),
                           .signature = {signature, size},
                           .digest = digest};
}

static check_id run(check_subject *subject)
{
    size_t count;
    const check_row *rows = check_certificate_rows(&count);
    return check_run(rows, count, subject);
}

/* The size is the bus side's row: judged there before a byte is sent to the parser. */
static check_id run_all(check_subject *subject)
{
    size_t size = subject->certificate.size;
    return size >= 1 && size <= PROFILE_CERTIFICATE_MAX ? run(subject) : CHECK_size;
}

static void every_variant_gets_its_answer(void **state)
{
    (void)state;
    uint8_t signature[512];
    assert_true(variant_count >= 60);
    for (size_t i = 0; i < variant_count; i++) {
        check_subject subject = tap_with(variants[i].name, signature);
        if (strcmp(variants[i].name, "outlives_root") == 0) subject.now_s += 15LL * 365 * 86400;
        const check_info *info = check_find(run_all(&subject));
        bool right = strcmp(mk_code_name(info->code), variants[i].second) == 0 &&
                     strcmp(info->code == MK_OK ? "-" : info->id, variants[i].third) == 0;
        if (!right) print_error("%s: %s %s\n", variants[i].name, mk_code_name(info->code), info->id);
        assert_true(right);
        authority_free(subject.certificate);
    }
}

static bool has_variant(const char *row)
{
    for (size_t i = 0; i < variant_count; i++) {
        if (strcmp(variants[i].third, row) == 0) return true;
    }
    return false;
}

static void every_row_has_a_variant(void **state)
{
    (void)state;
    size_t count;
    const check_row *rows = check_certificate_rows(&count);
    for (size_t i = 0; i < count; i++) {
        bool own_test = rows[i].id == CHECK_revocation || rows[i].id == CHECK_signature;
        if (!own_test && !has_variant(check_find(rows[i].id)->id))
            fail_msg("no variant: %s", check_find(rows[i].id)->id);
    }
}

/* Rows that leave something without which later ones can't run. */
static bool leaves_something(check_id id)
{
    return id == CHECK_der || id == CHECK_authority_key || id == CHECK_key_type;
}

static bool holds_always(check_subject *subject)
{
    (void)subject;
    return true;
}

/* Without its row each variant passes that point: no other row hides that one is missing. */
static void each_row_is_needed(void **state)
{
    (void)state;
    uint8_t signature[512];
    check_row rows[CHECK_COUNT_];
    size_t count;
    const check_row *original = check_certificate_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (leaves_something(original[i].id)) continue;
        memcpy(rows, original, count * sizeof *rows);
        rows[i].holds = holds_always;
        for (size_t v = 0; v < variant_count; v++) {
            if (strcmp(variants[v].third, check_find(original[i].id)->id) != 0) continue;
            check_subject subject = tap_with(variants[v].name, signature);
            assert_int_not_equal(check_run(rows, count, &subject), original[i].id);
            authority_free(subject.certificate);
        }
    }
}

static void right_one_leaves_issuer_and_serial(void **state)
{
    (void)state;
    uint8_t signature[512];
    check_subject subject = tap_with("good", signature);
    assert_int_equal(run(&subject), CHECK_PASSED);
    assert_true(der_equal(subject.fields.issuer, trust->roots[1].certificate.subject));
    assert_in_range(subject.fields.serial.size, 1, 5);
    authority_free(subject.certificate);
}

/* ---- time ---- */

static void no_list_is_stale(void **state)
{
    (void)state;
    uint8_t signature[512];
    check_subject subject = tap_with("good", signature);
    trust_t *without = authority_trust(false);
    subject.trust = without;
    assert_int_equal(run(&subject), CHECK_revocation);
    trust_destroy(&without);
    authority_free(subject.certificate);
}

static const index_part *part_of_root(size_t root)
{
    index_key key = {0};
    memcpy(key.issuer_key, trust->roots[root].key_sha256, sizeof key.issuer_key);
    return index_find(&trust->index, &key);
}

static void list_past_its_end_is_stale(void **state)
{
    (void)state;
    uint8_t signature[512];
    check_subject subject = tap_with("good", signature);
    int64_t end = part_of_root(1)->next_update;
    subject.now_s = end;
    assert_int_equal(run(&subject), CHECK_PASSED);
    subject.now_s = end + 1;
    assert_int_equal(run(&subject), CHECK_revocation);
    authority_free(subject.certificate);
}

static void validity_is_inclusive(void **state)
{
    (void)state;
    uint8_t signature[512];
    check_subject subject = tap_with("good", signature);
    assert_int_equal(run(&subject), CHECK_PASSED);
    int64_t begin = subject.fields.not_before, end = subject.fields.not_after;
    const struct {
        int64_t now;
        check_id expected; /* the list is not valid then, which comes later in the table */
    } cases[] = {
        {begin - 1, CHECK_not_before}, {begin, CHECK_revocation}, {end, CHECK_revocation}, {end + 1, CHECK_not_after}};
    for (size_t i = 0; i < 4; i++) {
        subject.now_s = cases[i].now;
        assert_int_equal(run(&subject), cases[i].expected);
    }
    authority_free(subject.certificate);
}

/* ---- signature ---- */

static void flipped_bit_of_signature_or_digest(void **state)
{
    (void)state;
    uint8_t signature[512];
    check_subject subject = tap_with("good", signature);
    for (size_t bit = 0; bit < 256 * 8; bit += 37) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(run(&subject), CHECK_signature);
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < sizeof digest * 8; bit++) {
        digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(run(&subject), CHECK_signature);
        digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(run(&subject), CHECK_PASSED);
    authority_free(subject.certificate);
}

static void odd_signatures(void **state)
{
    (void)state;
    uint8_t signature[512], other[512];
    size_t size;
    check_subject subject = tap_with("good", signature);
    const size_t sizes[] = {1, 255, 257, 512};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        subject.signature.size = sizes[i];
        assert_int_equal(run(&subject), CHECK_signature);
    }
    authority_sign("cards/card-1/auth.key", digest, other, &size);
    subject.signature = (der_t){other, size};
    assert_int_equal(run(&subject), CHECK_signature);
    memset(other, 0, sizeof other);
    assert_int_equal(run(&subject), CHECK_signature);
    memcpy(other, subject.modulus.data, subject.modulus.size);
    assert_int_equal(run(&subject), CHECK_signature);
    authority_free(subject.certificate);
}

/* ---- every octet ---- */

/* Whatever single octet of a good certificate changes, it is refused. */
static void every_octet_counts(void **state)
{
    (void)state;
    uint8_t signature[512];
    check_subject subject = tap_with("good", signature);
    uint8_t *octets = (uint8_t *)subject.certificate.data;
    for (size_t i = 0; i < subject.certificate.size; i++) {
        octets[i] ^= 0x01;
        assert_int_not_equal(run(&subject), CHECK_PASSED);
        octets[i] ^= 0x81;
        assert_int_not_equal(run(&subject), CHECK_PASSED);
        octets[i] ^= 0x80;
    }
    assert_int_equal(run(&subject), CHECK_PASSED);
    authority_free(subject.certificate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_gets_its_answer),
        cmocka_unit_test(every_row_has_a_variant),
        cmocka_unit_test(each_row_is_needed),
        cmocka_unit_test(right_one_leaves_issuer_and_serial),
        cmocka_unit_test(no_list_is_stale),
        cmocka_unit_test(list_past_its_end_is_stale),
        cmocka_unit_test(validity_is_inclusive),
        cmocka_unit_test(flipped_bit_of_signature_or_digest),
        cmocka_unit_test(odd_signatures),
        cmocka_unit_test(every_octet_counts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
