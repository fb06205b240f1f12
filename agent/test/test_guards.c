/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's guards: the PIN page, the statement it signs, what a page may send, invites and identities on disk. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/action.h"
#include "agent/enrol.h"
#include "agent/loopback.h"
#include "agent/profile.h"
#include "agent/statement.h"

#include <cmocka.h>

/* ---- PIN ---- */

/* The shared page as any other mapping sees it. */
static bool page_is_blank(const pin_t *pin)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *view = mmap(NULL, size, PROT_READ, MAP_SHARED, pin_fd(pin), 0);
    bool blank = true;
    for (size_t i = 0; i < size; i++) blank = blank && view[i] == 0;
    (void)munmap(view, size);
    return blank;
}

static void test_pin_page(void **state)
{
    (void)state;
    pin_t *pin = pin_new(), *child = NULL;
    assert_non_null(pin);
    assert_true(page_is_blank(pin));
    assert_false(pin_push(pin, 'a'));
    assert_false(pin_push(pin, 0));
    assert_null(pin_verify_apdu(pin));
    for (const char *d = "7391"; *d; d++) assert_true(pin_push(pin, *d));
    assert_false(pin_push(pin, '5'));
    child = pin_map(dup(pin_fd(pin)));
    assert_true(pin_complete(child));
    assert_memory_equal(pin_verify_apdu(child),
                        "\x00\x20\x00\x80\x04"
                        "7391",
                        9);
    pin_wipe(child); /* the child's wipe is everybody's */
    assert_int_equal(pin_count(pin), 0);
    assert_true(page_is_blank(pin));
    pin_destroy(&child);
    pin_destroy(&pin);
}

/* The sanitizer replaces mlock by nothing. */
#if defined(__SANITIZE_ADDRESS__)
enum { MLOCK_WORKS = 0 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { MLOCK_WORKS = 0 };
#else
enum { MLOCK_WORKS = 1 };
#endif
#else
enum { MLOCK_WORKS = 1 };
#endif

static void test_pin_page_is_locked_and_not_dumped(void **state)
{
    (void)state;
    pin_t *pin = pin_new();
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false, locked = false, hidden = false;
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        if (strstr(line, "memfd:pin")) inside = true;
        if (!inside || strncmp(line, "VmFlags:", 8) != 0) continue;
        locked = strstr(line, " lo") != NULL;
        hidden = strstr(line, " dd") != NULL;
        break;
    }
    (void)fclose(maps);
    assert_true(locked || !MLOCK_WORKS);
    assert_true(hidden);
    pin_destroy(&pin);
}

/* ---- statement ---- */

static profile_identity identity = {.terminal_id = "t-1", .operator_id = "A1", .key_sha256 = {7}};
static const uint64_t now_ms = 1700000000000;

typedef struct answered {
    Mykey__TapStatement s;
    char texts[4][64];
    uint8_t key[32], object[32], request_id[16], nonce[32];
} answered_t;

static statement_fields own_fields(void)
{
    statement_fields own = {.environment = "dev",
                            .origin = "https://mykey.example",
                            .identity = &identity,
                            .purpose = MYKEY__PURPOSE__PURPOSE_LINK,
                            .has_object = true,
                            .object = {1, 2},
                            .request_id = {3}};
    return own;
}

static void answer_well(const statement_fields *own, answered_t *a)
{
    *a = (answered_t){.texts = {"dev", "t-1", "https://mykey.example", "A1"}, .nonce = {9}};
    mykey__tap_statement__init(&a->s);
    memcpy(a->key, identity.key_sha256, 32);
    memcpy(a->object, own->object, 32);
    memcpy(a->request_id, own->request_id, 16);
    a->s.has_version = a->s.has_purpose = a->s.has_assurance = a->s.has_issued_at_ms = a->s.has_expires_at_ms = true;
    a->s.has_terminal_key_sha256 = a->s.has_object = a->s.has_request_id = a->s.has_nonce = true;
    a->s.version = 1;
    a->s.environment = a->texts[0];
    a->s.terminal_id = a->texts[1];
    a->s.terminal_key_sha256 = (ProtobufCBinaryData){32, a->key};
    a->s.origin = a->texts[2];
    a->s.purpose = own->purpose;
    a->s.audience = a->texts[3];
    a->s.object = (ProtobufCBinaryData){32, a->object};
    a->s.request_id = (ProtobufCBinaryData){16, a->request_id};
    a->s.nonce = (ProtobufCBinaryData){32, a->nonce};
    a->s.issued_at_ms = now_ms;
    a->s.expires_at_ms = now_ms + 15000;
    a->s.assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
}

typedef void flip_fn(answered_t *a);
#define FLIP(name, change)                 \
    static void flip_##name(answered_t *a) \
    {                                      \
        change;                            \
    }
FLIP(version, a->s.version = 2)
FLIP(environment, a->texts[0][0] = 'x')
FLIP(terminal, a->texts[1][2] = '2')
FLIP(key, a->key[31] ^= 1)
FLIP(key_short, a->s.terminal_key_sha256.len = 31)
FLIP(origin, a->texts[2][8] = 'n')
FLIP(purpose, a->s.purpose = MYKEY__PURPOSE__PURPOSE_DELETE_ID)
FLIP(audience, a->texts[3][0] = 'B')
FLIP(object, a->object[0] ^= 1)
FLIP(object_gone, a->s.has_object = false)
FLIP(amount, (a->s.has_amount = true, a->s.amount = 500))
FLIP(unit, a->s.unit = (char *)"pt")
FLIP(request_id, a->request_id[15] ^= 1)
FLIP(assurance, a->s.assurance = MYKEY__ASSURANCE__ASSURANCE_PRESENCE)
FLIP(audience_gone, a->s.audience = NULL)
FLIP(nonce_short, a->s.nonce.len = 31)
FLIP(nonce_gone, a->s.has_nonce = false)
FLIP(life, a->s.expires_at_ms = now_ms + 15001)
FLIP(backwards, a->s.expires_at_ms = now_ms - 1)
FLIP(no_times, a->s.has_issued_at_ms = false)
FLIP(slow, (a->s.issued_at_ms = now_ms - 60001, a->s.expires_at_ms = now_ms - 50000))
FLIP(fast, (a->s.issued_at_ms = now_ms + 60001, a->s.expires_at_ms = now_ms + 70000))

static void test_every_field_is_compared(void **state)
{
    (void)state;
    static const struct {
        flip_fn *flip;
        problem_t problem;
        const char *detail;
    } rows[] = {
        {flip_version, MK_CHALLENGE_MISMATCH, "version"},
        {flip_environment, MK_CHALLENGE_MISMATCH, "environment"},
        {flip_terminal, MK_CHALLENGE_MISMATCH, "terminal_id"},
        {flip_key, MK_CHALLENGE_MISMATCH, "terminal_key_sha256"},
        {flip_key_short, MK_CHALLENGE_MISMATCH, "terminal_key_sha256"},
        {flip_origin, MK_CHALLENGE_MISMATCH, "origin"},
        {flip_purpose, MK_CHALLENGE_MISMATCH, "purpose"},
        {flip_audience, MK_CHALLENGE_MISMATCH, "audience"},
        {flip_object, MK_CHALLENGE_MISMATCH, "object"},
        {flip_object_gone, MK_CHALLENGE_MISMATCH, "object"},
        {flip_amount, MK_CHALLENGE_MISMATCH, "amount"},
        {flip_unit, MK_CHALLENGE_MISMATCH, "unit"},
        {flip_request_id, MK_CHALLENGE_MISMATCH, "request_id"},
        {flip_assurance, MK_CHALLENGE_MISMATCH, "assurance"},
        {flip_audience_gone, MK_CHALLENGE_MISMATCH, "audience"},
        {flip_nonce_short, MK_BAD_REQUEST, "nonce"},
        {flip_nonce_gone, MK_BAD_REQUEST, "nonce"},
        {flip_life, MK_BAD_REQUEST, "expires_at_ms"},
        {flip_backwards, MK_BAD_REQUEST, "expires_at_ms"},
        {flip_no_times, MK_BAD_REQUEST, "expires_at_ms"},
        {flip_slow, MK_CLOCK_WRONG, NULL},
        {flip_fast, MK_CLOCK_WRONG, NULL},
    };
    statement_fields own = own_fields();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        answered_t a;
        uint8_t out[TAP_CANONICAL_MAX];
        size_t size = 0;
        const char *detail = NULL;
        answer_well(&own, &a);
        rows[i].flip(&a);
        assert_int_equal(statement_compose(&own, &a.s, now_ms, out, &size, &detail), rows[i].problem);
        assert_int_equal(size, 0);
        if (rows[i].detail) assert_string_equal(detail, rows[i].detail);
    }
}

static void test_good_statement(void **state)
{
    (void)state;
    statement_fields own = own_fields();
    answered_t a;
    uint8_t out[TAP_CANONICAL_MAX], theirs[TAP_CANONICAL_MAX];
    size_t size = 0, their_size = 0;
    const char *detail = NULL;
    answer_well(&own, &a);
    assert_int_equal(statement_compose(&own, &a.s, now_ms + 60000, out, &size, &detail), MK_OK);
    assert_int_equal(tap_statement_canonical(&a.s, theirs, &their_size), MK_OK);
    assert_int_equal(size, their_size);
    assert_memory_equal(out, theirs, size);
}

/* ---- actions ---- */

static void test_actions(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        problem_t problem;
    } rows[] = {
        {"{\"action\":\"next\"}", MK_OK},
        {"{\"action\":\"pin_digit\",\"digit\":\"7\"}", MK_OK},
        {"{\"action\":\"choose\",\"index\":1}", MK_OK},
        {"{\"action\":\"manual_number\",\"number\":\"７８９\",\"reason\":\"other\"}", MK_OK},
        {"", MK_BAD_REQUEST},
        {"null", MK_BAD_REQUEST},
        {"[]", MK_BAD_REQUEST},
        {"\"next\"", MK_BAD_REQUEST},
        {"{}", MK_BAD_REQUEST},
        {"{\"action\":\"next\"", MK_BAD_REQUEST},
        {"{\"action\":\"next\"} x", MK_BAD_REQUEST},
        {"{\"action\":1}", MK_BAD_REQUEST},
        {"{\"action\":null}", MK_BAD_REQUEST},
        {"{\"action\":{\"a\":1}}", MK_BAD_REQUEST},
        {"{\"action\":\"next\",\"action\":\"retry\"}", MK_BAD_REQUEST},
        {"{\"action\":\"next\",\"extra\":1}", MK_BAD_REQUEST},
        {"{\"action\":\"next\",\"digit\":\"7\"}", MK_BAD_REQUEST},
        {"{\"action\":\"pin_digit\"}", MK_BAD_REQUEST},
        {"{\"action\":\"pin_digit\",\"digit\":\"1234\"}", MK_BAD_REQUEST},
        {"{\"action\":\"pin_digit\",\"digit\":\"a\"}", MK_BAD_REQUEST},
        {"{\"action\":\"pin_digit\",\"digit\":\"\"}", MK_BAD_REQUEST},
        {"{\"action\":\"pin_digit\",\"digit\":7}", MK_BAD_REQUEST},
        {"{\"action\":\"choose\",\"index\":-1}", MK_BAD_REQUEST},
        {"{\"action\":\"choose\",\"index\":1e9}", MK_BAD_REQUEST},
        {"{\"action\":\"choose\",\"index\":99999999999999999999}", MK_BAD_REQUEST},
        {"{\"action\":\"ne\\u0000xt\"}", MK_BAD_REQUEST},
        {"{\"action\":\"\xff\"}", MK_BAD_REQUEST},
        {"{\"action\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", MK_BAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        counter_action action = {0};
        json_t *body = NULL;
        problem_t problem = action_parse(rows[i].body, strlen(rows[i].body), &action, &body);
        assert_int_equal(problem, rows[i].problem);
        assert_true((body != NULL) == (problem == MK_OK));
        json_decref(body);
    }
}

static void test_oversized_and_deep_actions(void **state)
{
    (void)state;
    char deep[ACTION_BODY_MAX + 2];
    counter_action action;
    json_t *body = NULL;
    memset(deep, '[', sizeof deep);
    assert_int_equal(action_parse(deep, ACTION_BODY_MAX, &action, &body), MK_BAD_REQUEST);
    memset(deep, ' ', sizeof deep);
    memcpy(deep, "{\"action\":\"next\"}", 17);
    assert_int_equal(action_parse(deep, ACTION_BODY_MAX + 1, &action, &body), MK_BAD_REQUEST);
    assert_null(body);
}

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        bool allowed;
    } rows[] = {
        {"Host", "127.0.0.1:8080", true},
        {"host", "127.0.0.1:8080", true},
        {"Host", "127.0.0.1:8081", false},
        {"Host", "127.0.0.1", false},
        {"Host", "localhost:8080", false},
        {"Host", "evil.example:8080", false},
        {"Host", "127.0.0.1:8080.evil.example", false},
        {"Host", "", false},
        {"Origin", "http://127.0.0.1:8080", true},
        {"Origin", "https://127.0.0.1:8080", false},
        {"Origin", "http://127.0.0.1:8080/", false},
        {"Origin", "http://evil.example", false},
        {"Origin", "null", false},
        {"Origin", NULL, false},
        {"Sec-Fetch-Site", "same-origin", true},
        {"Sec-Fetch-Site", "none", true},
        {"Sec-Fetch-Site", "same-site", false},
        {"sec-fetch-site", "cross-site", false},
        {"Accept", "anything", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(loopback_header_allowed("127.0.0.1:8080", rows[i].name, rows[i].value), rows[i].allowed);
}

/* ---- invites and profile ---- */

#define CODE "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define PRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void test_invites(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } rows[] = {{CODE "." PRINT, true},
                {CODE "-" PRINT "\n", true},
                {CODE PRINT, false},
                {CODE ".", false},
                {CODE "." PRINT "0", false},
                {CODE ".zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", false},
                {"", false},
                {"ABC." PRINT, false},
                {"ABCDEFGHIJKLMNOPQRSTUVWXY!." PRINT, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        invite with = {.code = "untouched"};
        assert_int_equal(invite_parse(rows[i].text, &with), rows[i].good ? MK_OK : MK_INVITE_INVALID);
        assert_string_equal(with.code, rows[i].good ? CODE : "untouched");
    }
}

static char folder[64];

static EVP_PKEY *authority_key;
static uint8_t authority_der[2048];
static size_t authority_size;

static X509 *new_certificate(const char *cn, const char *ou, EVP_PKEY *key)
{
    X509 *x509 = X509_new();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 5);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 90 * 86400);
    X509_set_pubkey(x509, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    if (ou)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "OU", MBSTRING_ASC, (const unsigned char *)ou, -1, -1,
                                   0);
    return x509;
}

/* Signs a terminal's certificate; signer = whose key really signs. */
static size_t issue(EVP_PKEY *key, const char *cn, const char *ou, EVP_PKEY *signer, uint8_t out[2048])
{
    X509 *x509 = new_certificate(cn, ou, key);
    unsigned char *cursor = out;
    X509_NAME *issuer = X509_NAME_new();
    X509_NAME_add_entry_by_txt(issuer, "CN", MBSTRING_ASC, (const unsigned char *)"authority", -1, -1, 0);
    X509_set_issuer_name(x509, issuer);
    X509_sign(x509, signer, EVP_sha256());
    int size = i2d_X509(x509, &cursor);
    X509_NAME_free(issuer);
    X509_free(x509);
    return (size_t)size;
}

static EVP_PKEY *key_of_request(const uint8_t *csr, size_t size)
{
    X509_REQ *request = d2i_X509_REQ(NULL, &csr, (long)size);
    assert_non_null(request);
    EVP_PKEY *key = X509_REQ_get_pubkey(request);
    assert_int_equal(X509_REQ_verify(request, key), 1);
    X509_REQ_free(request);
    return key;
}

static void test_profile_takes_only_its_own_certificate(void **state)
{
    (void)state;
    profile_t *profile = NULL;
    profile_identity loaded = {0};
    uint8_t csr[PROFILE_CSR_MAX], certificate[2048], fingerprint[32], wrong[32] = {0};
    size_t csr_size = 0;
    struct stat about;
    assert_int_equal(profile_open(folder, &profile), MK_OK);
    assert_int_equal(profile_load(profile, &loaded), MK_NOT_FOUND);
    assert_int_equal(profile_new_key(profile, csr, &csr_size), MK_OK);
    assert_int_equal(stat(profile_next_path(profile), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0400);
    EVP_PKEY *key = key_of_request(csr, csr_size), *other = EVP_EC_gen("P-256");
    bytes_sha256(authority_der, authority_size, fingerprint);
    size_t size = issue(other, "t-1", "A1", authority_key, certificate); /* another's key */
    assert_int_equal(profile_accept(profile, certificate, size, authority_der, authority_size, fingerprint),
                     MK_CERT_UNTRUSTED);
    size = issue(key, "t-1", "A1", other, certificate); /* another's signature */
    assert_int_equal(profile_accept(profile, certificate, size, authority_der, authority_size, fingerprint),
                     MK_CERT_UNTRUSTED);
    size = issue(key, "t-1", NULL, authority_key, certificate); /* no operator */
    assert_int_equal(profile_accept(profile, certificate, size, authority_der, authority_size, fingerprint),
                     MK_CERT_UNTRUSTED);
    size = issue(key, "t-1", "A1", authority_key, certificate);
    assert_int_equal(profile_accept(profile, certificate, size, authority_der, authority_size, wrong),
                     MK_CERT_UNTRUSTED);
    assert_int_equal(profile_accept(profile, certificate, size - 1, authority_der, authority_size, fingerprint),
                     MK_CERT_UNTRUSTED);
    assert_int_equal(profile_accept(profile, certificate, size, authority_der, authority_size, fingerprint), MK_OK);
    assert_int_equal(profile_load(profile, &loaded), MK_NOT_FOUND); /* not before it is committed */
    assert_int_equal(profile_commit(profile), MK_OK);
    assert_int_equal(profile_load(profile, &loaded), MK_OK);
    assert_string_equal(loaded.terminal_id, "t-1");
    assert_string_equal(loaded.operator_id, "A1");
    assert_int_equal(enrol_renew_at(&loaded) - loaded.not_before_s, 60 * 86400);
    assert_int_equal(chmod(profile_identity_path(profile), 0440), 0);
    assert_int_equal(profile_load(profile, &loaded), MK_UNAVAILABLE);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    profile_destroy(&profile);
}

static void test_pending_survives(void **state)
{
    (void)state;
    profile_t *profile = NULL;
    profile_pending pending = {.id = {1, 2, 3}, .id_size = 16, .authority_sha256 = {4}}, read = {0};
    assert_int_equal(profile_open(folder, &profile), MK_OK);
    assert_int_equal(profile_pending_load(profile, &read), MK_NOT_FOUND);
    assert_int_equal(profile_set_pending(profile, &pending), MK_OK);
    assert_int_equal(profile_pending_load(profile, &read), MK_OK);
    assert_memory_equal(&pending, &read, sizeof pending);
    profile_abandon(profile);
    assert_int_equal(profile_pending_load(profile, &read), MK_NOT_FOUND);
    profile_destroy(&profile);
}

static void test_profile_directory_must_be_private(void **state)
{
    (void)state;
    profile_t *profile = NULL;
    assert_int_equal(chmod(folder, 0750), 0);
    assert_int_equal(profile_open(folder, &profile), MK_UNAVAILABLE);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_null(profile);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/mykey-profile-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    action_setup();
    authority_key = EVP_EC_gen("P-256");
    authority_size = issue(authority_key, "authority", NULL, authority_key, authority_der);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"terminal.pem", "next.pem", "next.id", "authority.der"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    EVP_PKEY_free(authority_key);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pin_page),
        cmocka_unit_test(test_pin_page_is_locked_and_not_dumped),
        cmocka_unit_test(test_every_field_is_compared),
        cmocka_unit_test(test_good_statement),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_oversized_and_deep_actions),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_invites),
        cmocka_unit_test(test_profile_takes_only_its_own_certificate),
        cmocka_unit_test(test_pending_survives),
        cmocka_unit_test(test_profile_directory_must_be_private),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
