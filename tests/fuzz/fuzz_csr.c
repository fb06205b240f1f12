/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal's certificate request, as the gateway and the authority read it, and a terminal's certificate as the
 * registry reads it. What the gateway refuses the authority does not sign.
 * Parsers: services/gateway/csr.c services/registry/certificate.c */
#include "tests/fuzz/fuzz.h"

#include "services/gateway/csr.h"
#include "services/registry/certificate.h"

static void check_request(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    mk_code code = csr_check(data, size, &why);
    HOLDS((code == MK_OK) == (why == NULL) && (code == MK_OK || code == MK_BAD_REQUEST));
    HOLDS(code != MK_OK || (size <= CSR_MAX && data[0] == 0x30));
    if (code != MK_OK) return;
    uint8_t *longer = malloc(size + 1);
    HOLDS(longer != NULL);
    memcpy(longer, data, size);
    longer[size] = 0;
    HOLDS(csr_check(longer, size + 1, NULL) != MK_OK && csr_check(data, size - 1, NULL) != MK_OK);
    free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    certificate_facts facts;
    check_request(data, size);
    if (certificate_read(data, size, &facts) != MK_OK) return 0;
    HOLDS(facts.key_size > 0 && facts.key_size <= sizeof facts.key && facts.key[0] == 0x30);
    HOLDS(strlen(facts.common_name) >= 1 && strlen(facts.common_name) <= CERTIFICATE_NAME_MAX);
    HOLDS(facts.not_after_ms > 0 && facts.not_after_ms % 1000 == 0);
    return 0;
}
