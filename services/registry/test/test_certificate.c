/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/certificate.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/bytes.h"

typedef struct made {
    uint8_t *der;
    size_t size;
} made;

static made make(const char *common_name)
{
    made out = {NULL, 0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    X509_NAME *name = X509_NAME_new();
    if (common_name != NULL) {
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
    }
    X509_set_subject_name(x509, name);
    X509_set_pubkey(x509, key);
    ASN1_TIME_set(X509_getm_notBefore(x509), 1700000000);
    ASN1_TIME_set(X509_getm_notAfter(x509), 1800000000);
    X509_sign(x509, key, EVP_sha256());
    out.size = (size_t)i2d_X509(x509, &out.der);
    X509_NAME_free(name);
    X509_free(x509);
    EVP_PKEY_free(key);
    return out;
}

static void reads_what_is_needed(void **state)
{
    made cert = make("t-terminal");
    certificate_facts facts;
    uint8_t sha256[32];
    (void)state;
    assert_int_equal(certificate_read(cert.der, cert.size, &facts), MK_OK);
    assert_string_equal(facts.common_name, "t-terminal");
    assert_true(facts.not_after_ms == 1800000000000);
    bytes_sha256(cert.der, cert.size, sha256);
    assert_memory_equal(facts.sha256, sha256, 32);
    bytes_sha256(facts.key, facts.key_size, sha256);
    assert_memory_equal(facts.key_sha256, sha256, 32);
    assert_non_null(memmem(cert.der, cert.size, facts.key, facts.key_size));
    free(cert.der);
}

static void refuses_anything_else(void **state)
{
    made cert = make("t-terminal"), nameless = make(NULL);
    certificate_facts facts;
    uint8_t *longer = calloc(1, cert.size + 1);
    (void)state;
    memcpy(longer, cert.der, cert.size);
    assert_int_equal(certificate_read(longer, cert.size + 1, &facts), MK_BAD_REQUEST);
    assert_int_equal(certificate_read(nameless.der, nameless.size, &facts), MK_BAD_REQUEST);
    for (size_t size = 0; size < cert.size; size++) {
        assert_int_equal(certificate_read(cert.der, size, &facts), MK_BAD_REQUEST);
    }
    free(longer);
    free(cert.der);
    free(nameless.der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_needed),
        cmocka_unit_test(refuses_anything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
