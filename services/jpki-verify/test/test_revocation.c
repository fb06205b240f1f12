/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation lists: every wrong one of tools/testca, order, look-up, and roots that are not roots. */
#include "services/jpki-verify/revocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/jpki-verify/test/authority.h"

static void wrong_lists_are_not_taken(void **state)
{
    (void)state;
    authority_row rows[AUTHORITY_ROWS_MAX];
    size_t count = authority_index("variants/crl/index", rows);
    assert_true(count >= 12);
    for (size_t i = 0; i < count; i++) {
        trust_t *trust = authority_trust(false);
        der_t data = authority_read("variants/crl/%s.crl", rows[i].name);
        crl_fault fault = trust_add_crl(trust, data, authority_now());
        if (strcmp(crl_fault_name(fault), rows[i].second) != 0) {
            fail_msg("%s: %s", rows[i].name, crl_fault_name(fault));
        }
        assert_null(trust->roots[0].revocation);
        assert_null(trust->roots[1].revocation);
        authority_free(data);
        trust_destroy(&trust);
    }
}

static void wrong_list_leaves_the_one_in_use(void **state)
{
    (void)state;
    trust_t *trust = authority_trust(true);
    size_t count = revocation_count(trust->roots[1].revocation);
    der_t data = authority_read("variants/crl/unsigned.crl");
    assert_int_equal(trust_add_crl(trust, data, authority_now()), CRL_FAULT_SIGNATURE);
    assert_int_equal(revocation_count(trust->roots[1].revocation), count);
    authority_free(data);
    trust_destroy(&trust);
}

static void lists_belong_to_their_root(void **state)
{
    (void)state;
    trust_t *trust = authority_trust(false);
    der_t data = authority_read("crl/auth-2.crl");
    assert_int_equal(trust_add_crl(trust, data, authority_now()), CRL_TAKEN);
    assert_null(trust->roots[0].revocation);
    assert_non_null(trust->roots[1].revocation);
    authority_free(data);
    trust_destroy(&trust);
}

/* A list signed in memory would need the authority's key: the order of serials is tested on what testca wrote, which is
 * the order of revocation. */
static void every_listed_serial_is_found(void **state)
{
    (void)state;
    crl_t crl;
    trust_t *trust = authority_trust(true);
    const revocation_t *revocation = trust->roots[1].revocation;
    der_t data = authority_read("crl/auth-2.crl");
    assert_int_equal(crl_read(data, profile_auth(), &crl), CRL_TAKEN);
    size_t count = 0;
    for (der_t entry; crl.entries.size > 0; count++) {
        uint32_t serial = 0;
        assert_true(der_take(&crl.entries, DER_SEQUENCE, &entry) && der_small(&entry, &serial));
        assert_true(revocation_has(revocation, serial));
        assert_false(revocation_has(revocation, serial + 1) && revocation_has(revocation, serial - 1));
    }
    assert_int_equal(count, revocation_count(revocation));
    assert_true(count >= 3);
    assert_false(revocation_has(revocation, 0));
    assert_false(revocation_has(revocation, UINT32_MAX));
    authority_free(data);
    trust_destroy(&trust);
}

static void changed_octets_are_not_taken(void **state)
{
    (void)state;
    trust_t *trust = authority_trust(false);
    der_t data = authority_read("crl/auth-2.crl");
    uint8_t *octets = (uint8_t *)data.data;
    for (size_t i = 0; i < data.size; i++) {
        octets[i] ^= 0x01;
        assert_int_not_equal(trust_add_crl(trust, data, authority_now()), CRL_TAKEN);
        octets[i] ^= 0x01;
    }
    authority_free(data);
    trust_destroy(&trust);
}

static void only_roots_are_roots(void **state)
{
    (void)state;
    trust_t *trust = authority_trust(false);
    const char *files[] = {"roots/auth-1.der", "cards/card-1/auth.der", "variants/ca_true.der",
                           "variants/random_bytes.der"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        der_t data = authority_read("%s", files[i]);
        assert_false(trust_add_root(trust, data));
        authority_free(data);
    }
    assert_int_equal(trust->root_count, 2);
    trust_destroy(&trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_lists_are_not_taken),    cmocka_unit_test(wrong_list_leaves_the_one_in_use),
        cmocka_unit_test(lists_belong_to_their_root),   cmocka_unit_test(every_listed_serial_is_found),
        cmocka_unit_test(changed_octets_are_not_taken), cmocka_unit_test(only_roots_are_roots),
    };
    return cmocka_run_group_tests(tests, authority_setup, NULL);
}
