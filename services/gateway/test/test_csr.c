/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/csr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

/* A request signed by `signer` for the key `key`. */
static size_t make(EVP_PKEY *key, EVP_PKEY *signer, uint8_t **ret_der)
{
    X509_REQ *request = X509_REQ_new();
    assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
    assert_true(X509_REQ_sign(request, signer, EVP_sha256()) > 0);
    *ret_der = NULL;
    int size = i2d_X509_REQ(request, ret_der);
    assert_true(size > 0);
    X509_REQ_free(request);
    return (size_t)size;
}

static void expect(EVP_PKEY *key, EVP_PKEY *signer, const char *expected)
{
    uint8_t *der = NULL;
    const char *detail = NULL;
    size_t size = make(key, signer, &der);
    mk_code code = csr_check(der, size, &detail);
    assert_int_equal(code, expected == NULL ? MK_OK : MK_BAD_REQUEST);
    if (expected != NULL) assert_string_equal(detail, expected);
    OPENSSL_free(der);
}

static void only_p256_and_its_own_signature(void **state)
{
    (void)state;
    EVP_PKEY *p256 = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    EVP_PKEY *p384 = EVP_EC_gen("P-384"), *rsa = EVP_RSA_gen(2048);
    expect(p256, p256, NULL);
    expect(p256, other, "csr_signature");
    expect(p384, p384, "csr_key");
    expect(rsa, rsa, "csr_key");
    EVP_PKEY_free(p256);
    EVP_PKEY_free(other);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(rsa);
}

static void size_and_form(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    uint8_t *der = NULL;
    uint8_t big[CSR_MAX + 1] = {0x30};
    const char *detail = NULL;
    size_t size = make(key, key, &der);
    memcpy(big, der, size);
    assert_int_equal(csr_check(big, size + 1, &detail), MK_BAD_REQUEST); /* a byte after it */
    assert_string_equal(detail, "csr_form");
    assert_int_equal(csr_check(big, sizeof big, &detail), MK_BAD_REQUEST);
    assert_string_equal(detail, "csr_size");
    assert_int_equal(csr_check(der, 0, &detail), MK_BAD_REQUEST);
    for (size_t cut = 1; cut < size; cut++) assert_int_equal(csr_check(der, cut, NULL), MK_BAD_REQUEST);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

static void no_flipped_bit_passes_unless_outside_the_signed_part(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    uint8_t *der = NULL;
    size_t size = make(key, key, &der);
    unsigned passed = 0;
    for (size_t i = 0; i < size; i++) {
        der[i] ^= 1;
        passed += csr_check(der, size, NULL) == MK_OK;
        der[i] ^= 1;
    }
    assert_int_equal(passed, 0);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_p256_and_its_own_signature),
        cmocka_unit_test(size_and_form),
        cmocka_unit_test(no_flipped_bit_passes_unless_outside_the_signed_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
