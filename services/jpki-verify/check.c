/* SPDX-License-Identifier: Apache-2.0 */
/* One function for each row of CHECK_CERTIFICATE_TABLE. */
#include "services/jpki-verify/check.h"

#include <string.h>

#include "common/base/bytes.h"

static bool check_der(check_subject *s)
{
    return certificate_read(s->certificate, &s->fields);
}

static bool check_single(check_subject *s)
{
    return s->fields.trailing == 0;
}

static bool check_extensions_unique(check_subject *s)
{
    return !s->fields.has_duplicate;
}

static bool check_algorithms_agree(check_subject *s)
{
    return der_equal(s->fields.inner_algorithm, s->fields.outer_algorithm);
}

static bool check_version(check_subject *s)
{
    return s->fields.version == 3;
}

static bool check_algorithm(check_subject *s)
{
    return der_equal(s->fields.inner_algorithm, s->trust->profile->signature_algorithm);
}

static bool check_issuer(check_subject *s)
{
    return trust_knows_issuer(s->trust, s->fields.issuer);
}

/* The optional second half of the key id: the root's own issuer and serial. */
static bool names_root(const certificate_t *leaf, const root_t *root)
{
    der_t names = leaf->authority_issuer, name;
    if (names.size == 0 && leaf->authority_serial.size == 0) return true;
    return der_take(&names, DER_CONTEXT_LIST(4), &name) && names.size == 0 &&
           der_equal(name, root->certificate.issuer) && der_equal(leaf->authority_serial, root->certificate.serial);
}

static bool check_authority_key(check_subject *s)
{
    s->root = trust_find(s->trust, s->fields.issuer, s->fields.authority_key_id);
    return s->root != NULL && names_root(&s->fields, s->root);
}

static bool check_issuer_validity(check_subject *s)
{
    return s->root->certificate.not_before <= s->now_s && s->now_s <= s->root->certificate.not_after;
}

static bool check_issuer_signature(check_subject *s)
{
    uint8_t digest[RSA_DIGEST_SIZE];
    return rsa_digest(s->fields.signed_part, NULL, digest) && rsa_key_verify(s->root->key, digest, s->fields.signature);
}

static bool check_not_before(check_subject *s)
{
    return s->fields.not_before <= s->now_s;
}

static bool check_not_after(check_subject *s)
{
    return s->now_s <= s->fields.not_after;
}

static bool check_critical(check_subject *s)
{
    return !s->fields.has_critical;
}

static bool check_ca_extensions(check_subject *s)
{
    return !s->fields.has_ca_extension;
}

static bool check_constraints(check_subject *s)
{
    return !s->fields.is_ca && !s->fields.has_path_length;
}

static bool check_key_usage(check_subject *s)
{
    return s->fields.has_key_usage && s->fields.key_usage == s->trust->profile->leaf_usage;
}

static bool check_extended_usage(check_subject *s)
{
    der_t list = s->fields.extended_usage, oid;
    bool found = list.size == 0;
    while (!found && list.size > 0) {
        if (!der_oid(&list, &oid)) return false;
        found = der_equal(oid, s->trust->profile->extended_usage);
    }
    return found;
}

static bool check_policy(check_subject *s)
{
    der_t list = s->fields.policies, policy, oid;
    return der_take(&list, DER_SEQUENCE, &policy) && list.size == 0 && der_oid(&policy, &oid) &&
           der_equal(oid, s->trust->profile->policy);
}

static bool check_serial(check_subject *s)
{
    der_t serial = s->fields.serial;
    bool fits = serial.data[0] < 0x80 && (serial.size <= 4 || (serial.size == 5 && serial.data[0] == 0));
    s->serial = 0;
    for (size_t i = 0; fits && i < serial.size; i++) s->serial = s->serial << 8 | serial.data[i];
    return s->serial != 0;
}

static bool check_key_type(check_subject *s)
{
    uint32_t exponent;
    return der_equal(s->fields.key_algorithm, s->trust->profile->key_algorithm) &&
           trust_key_numbers(s->fields.key, &s->modulus, &exponent);
}

static bool check_key_size(check_subject *s)
{
    return trust_key_size_fits(s->trust->profile, s->fields.key);
}

static bool check_key_exponent(check_subject *s)
{
    uint32_t exponent;
    return trust_key_numbers(s->fields.key, &s->modulus, &exponent) && exponent == s->trust->profile->key_exponent;
}

static bool check_distribution_point(check_subject *s)
{
    der_t names = s->fields.point_names;
    return !s->fields.has_more_points && (names.size == 0 || certificate_is_one_name(names));
}

/* The parts that speak of this certificate: its distribution point's, and the whole list's of the same key. */
static void find_parts(check_subject *s)
{
    index_key key = {0};
    memcpy(key.issuer_key, s->root->key_sha256, sizeof key.issuer_key);
    s->parts[0] = index_find(&s->trust->index, &key);
    if (s->fields.point_names.size == 0) return;
    bytes_sha256(s->fields.point_names.data, s->fields.point_names.size, key.point);
    s->parts[1] = index_find(&s->trust->index, &key);
}

static bool is_fresh(const check_subject *s, const index_part *part)
{
    return part != NULL && part->this_update <= s->now_s + s->trust->profile->crl_early_s &&
           s->now_s <= part->next_update;
}

static bool check_revocation(check_subject *s)
{
    find_parts(s);
    return is_fresh(s, s->parts[0]) || is_fresh(s, s->parts[1]);
}

/* A part that is no longer fresh has still revoked what it has revoked. */
static bool check_revoked(check_subject *s)
{
    for (size_t i = 0; i < 2; i++) {
        if (s->parts[i] != NULL && index_has(&s->trust->index, s->parts[i], s->serial)) return false;
    }
    return true;
}

static bool check_signature(check_subject *s)
{
    rsa_key_t *key = rsa_key_new(s->modulus, s->trust->profile->key_exponent);
    bool valid = key != NULL && rsa_key_verify(key, s->digest, s->signature);
    rsa_key_destroy(&key);
    return valid;
}

const check_row *check_certificate_rows(size_t *ret_count)
{
#define ROW(id, code, demand, source) {CHECK_##id, check_##id},
    static const check_row rows[] = {CHECK_CERTIFICATE_TABLE(ROW)};
#undef ROW
    *ret_count = sizeof rows / sizeof *rows;
    return rows;
}

check_id check_run(const check_row *rows, size_t count, check_subject *subject)
{
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].holds(subject)) return rows[i].id;
    }
    return CHECK_PASSED;
}
