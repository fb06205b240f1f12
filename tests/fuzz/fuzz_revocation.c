/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of a revocation list, every signature taken for good: a whole list, or entries by themselves. Whatever
 * stands in it is found, and the sorted serials are those that were read.
 * Parsers: services/jpki-verify/revocation.c */
#include "tests/fuzz/fuzz.h"

#include "services/jpki-verify/rsa.h"
#define rsa_digest(data, out) (memset(out, 0, RSA_DIGEST_SIZE) != NULL && (data).size > 0)
#define rsa_key_verify(key, digest, signature) ((key) == NULL && (digest) != NULL && (signature).size + 1 > 0)
#include "services/jpki-verify/revocation.c"

static void check_list(const crl_t *crl)
{
    revocation_t *list = NULL;
    der_t rest = crl->entries;
    uint32_t serial;
    size_t count = 0;
    if (revocation_new(crl, NULL, profile_auth(), crl->this_update, &list) != CRL_TAKEN) return;
    HOLDS(revocation_is_fresh(list, profile_auth(), crl->this_update) && crl->this_update <= crl->next_update);
    for (; rest.size > 0; count++) HOLDS(read_entry(&rest, &serial) && revocation_has(list, serial));
    HOLDS(count == revocation_count(list) && is_ascending(list->serials, count));
    revocation_destroy(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t some[1];
    crl_t crl;
    if (crl_read((der_t){data, size}, profile_auth(), &crl) == CRL_TAKEN) check_list(&crl);
    crl = (crl_t){.signed_part = {some, 1}, .entries = {data, size}, .this_update = 1000, .next_update = 2000};
    check_list(&crl);
    return 0;
}
