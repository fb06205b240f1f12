/* SPDX-License-Identifier: Apache-2.0 */
/* The strict certificate reader with OpenSSL as the second opinion, and the rows that need no root.
 * Parsers: services/jpki-verify/der.c services/jpki-verify/certificate.c services/jpki-verify/extensions.c
 * services/jpki-verify/check.c */
#include <stdio.h>
#include <stdlib.h>

#include "services/jpki-verify/check.h"
#include "services/jpki-verify/test/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool needs_root(check_id id)
{
    return id == CHECK_issuer_validity || id == CHECK_issuer_signature || id == CHECK_revocation ||
           id == CHECK_revoked || id == CHECK_signature;
}

/* Each by itself: a fuzzer won't find what passes all rows before the last. */
static void run_rows(der_t certificate, const certificate_t *fields)
{
    size_t count;
    const trust_t none = {.profile = profile_auth()};
    const check_row *rows = check_certificate_rows(&count);
    check_subject subject = {.trust = &none, .certificate = certificate, .fields = *fields};
    for (size_t i = 0; i < count; i++) {
        if (!needs_root(rows[i].id)) (void)rows[i].holds(&subject);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    certificate_t fields;
    der_t in = {data, size};
    if (size > PROFILE_CERTIFICATE_MAX) return 0;
    if (!certificate_read(in, &fields)) return 0;
    run_rows(in, &fields);
    const char *differs = compare_with_openssl(in, &fields);
    if (differs == NULL) return 0;
    fprintf(stderr, "OpenSSL sees otherwise: %s\n", differs);
    abort();
}
