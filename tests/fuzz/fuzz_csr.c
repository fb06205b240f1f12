/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal's certificate request, as the gateway, the registry's answer and the authority have it, and a terminal's
 * certificate as the registry reads it. What the gateway refuses the authority does not sign, and what it signs is for
 * the asked terminal and the request's key alone.
 * Parsers: services/gateway/csr.c services/registry/certificate.c tools/mykeyctl/authority.c tools/mykeyctl/verb_ca.c
 */
#include "tests/fuzz/csr.h"

#include <openssl/x509.h>

#include "services/gateway/csr.h"
#include "services/registry/certificate.h"
#include "tests/fuzz/fuzz.h"

static bool check_request(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    mk_code code = csr_check(data, size, &why);
    HOLDS((code == MK_OK) == (why == NULL) && (code == MK_OK || code == MK_BAD_REQUEST));
    HOLDS(code != MK_OK || (size <= CSR_MAX && data[0] == 0x30));
    if (code != MK_OK) return false;
    uint8_t *longer = malloc(size + 1);
    HOLDS(longer != NULL);
    memcpy(longer, data, size);
    longer[size] = 0;
    HOLDS(csr_check(longer, size + 1, NULL) != MK_OK && csr_check(data, size - 1, NULL) != MK_OK);
    free(longer);
    return true;
}

static bool check_certificate(const uint8_t *data, size_t size, certificate_facts *ret_facts)
{
    if (certificate_read(data, size, ret_facts) != MK_OK) return false;
    HOLDS(ret_facts->key_size > 0 && ret_facts->key_size <= sizeof ret_facts->key && ret_facts->key[0] == 0x30);
    HOLDS(strlen(ret_facts->common_name) >= 1 && strlen(ret_facts->common_name) <= CERTIFICATE_NAME_MAX);
    HOLDS(ret_facts->not_after_ms > 0 && ret_facts->not_after_ms % 1000 == 0);
    return true;
}

void csr_check_signed(const uint8_t *csr, size_t csr_size, const char *terminal_id, const uint8_t *der, size_t size)
{
    certificate_facts facts;
    const uint8_t *at = csr;
    uint8_t *key = NULL;
    HOLDS(check_request(csr, csr_size) && check_certificate(der, size, &facts));
    HOLDS(strcmp(facts.common_name, terminal_id) == 0);
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)csr_size);
    EVP_PKEY *theirs = X509_REQ_get0_pubkey(request);
    int key_size = i2d_PUBKEY(theirs, &key);
    HOLDS(key_size == (int)facts.key_size && memcmp(key, facts.key, facts.key_size) == 0);
    OPENSSL_free(key);
    X509_REQ_free(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    certificate_facts facts;
    bool good = check_request(data, size);
    HOLDS(csr_is_signed(data, size) == good);
    csr_take_pending(data, size);
    (void)check_certificate(data, size, &facts);
    return 0;
}
