/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: the strict certificate reader and the rows that need no trust, with OpenSSL as the second opinion.
 * Seeds: build/services/jpki-verify/testca/variants (after the unit tests have run). */
#include <stdio.h>
#include <stdlib.h>

#include "services/jpki-verify/revocation.h"
#include "services/jpki-verify/test/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    certificate_t fields;
    crl_t crl;
    der_t in = {data, size};
    if (size > PROFILE_CERTIFICATE_MAX) return 0;
    if (crl_read(in, profile_auth(), &crl) == CRL_TAKEN && crl.issuer.size == 0) abort();
    if (!certificate_read(in, &fields)) return 0;
    const char *differs = compare_with_openssl(in, &fields);
    if (differs == NULL) return 0;
    fprintf(stderr, "OpenSSL sees otherwise: %s\n", differs);
    abort();
}
