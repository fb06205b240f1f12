/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/trust.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"

trust_t *trust_new(const profile_t *profile)
{
    trust_t *self = calloc(1, sizeof *self);
    if (self != NULL) self->profile = profile;
    return self;
}

static void clear_root(root_t *root)
{
    rsa_key_destroy(&root->key);
    free(root->bytes);
    *root = (root_t){0};
}

void trust_destroy(trust_t **self_p)
{
    if (*self_p == NULL) return;
    for (size_t i = 0; i < (*self_p)->root_count; i++) clear_root(&(*self_p)->roots[i]);
    free(*self_p);
    *self_p = NULL;
}

/* ---- keys ---- */

static bool read_numbers(der_t bits, der_t *ret_n, der_t *ret_e)
{
    der_t content;
    return der_take(&bits, DER_SEQUENCE, &content) && bits.size == 0 && der_integer(&content, ret_n) &&
           der_integer(&content, ret_e) && content.size == 0;
}

bool trust_key_numbers(der_t key_bits, der_t *ret_modulus, uint32_t *ret_exponent)
{
    der_t n, e;
    if (!read_numbers(key_bits, &n, &e)) return false;
    if (n.size > 1 && n.data[0] == 0) n = (der_t){n.data + 1, n.size - 1};
    uint32_t exponent = 0;
    bool fits = e.data[0] < 0x80 && e.size <= 4;
    for (size_t i = 0; fits && i < e.size; i++) exponent = exponent << 8 | e.data[i];
    *ret_modulus = n;
    *ret_exponent = exponent; /* 0 for one that is too large or negative */
    return true;
}

bool trust_key_size_fits(const profile_t *profile, der_t key_bits)
{
    der_t n, e;
    size_t octets = profile->key_bits / 8;
    return read_numbers(key_bits, &n, &e) && n.size == octets + 1 && n.data[0] == 0 && (n.data[octets] & 1) == 1;
}

/* ---- roots ---- */

static bool fits_root(const profile_t *profile, const certificate_t *root)
{
    return root->trailing == 0 && root->version == 3 && root->is_ca && !root->has_duplicate && !root->has_critical &&
           root->has_key_usage && (root->key_usage & profile->root_usage) == profile->root_usage &&
           root->subject_key_id.size > 0 && der_equal(root->issuer, root->subject) &&
           root->issuer.size <= PROFILE_ISSUER_MAX && der_equal(root->inner_algorithm, profile->signature_algorithm) &&
           der_equal(root->outer_algorithm, profile->signature_algorithm) &&
           der_equal(root->key_algorithm, profile->key_algorithm) && trust_key_size_fits(profile, root->key);
}

static bool verify_itself(root_t *root)
{
    uint8_t digest[RSA_DIGEST_SIZE];
    return rsa_digest(root->certificate.signed_part, NULL, digest) &&
           rsa_key_verify(root->key, digest, root->certificate.signature);
}

static bool fill_root(root_t *root, const profile_t *profile, der_t bytes)
{
    der_t modulus;
    uint32_t exponent;
    root->bytes = malloc(bytes.size);
    if (root->bytes == NULL) return false;
    memcpy(root->bytes, bytes.data, bytes.size);
    if (!certificate_read((der_t){root->bytes, bytes.size}, &root->certificate)) return false;
    if (!fits_root(profile, &root->certificate)) return false;
    if (!trust_key_numbers(root->certificate.key, &modulus, &exponent) || exponent != profile->key_exponent) {
        return false;
    }
    root->key = rsa_key_new(modulus, exponent);
    bytes_sha256(root->certificate.key.data, root->certificate.key.size, root->key_sha256);
    return root->key != NULL && verify_itself(root);
}

bool trust_add_root(trust_t *self, der_t certificate)
{
    root_t root = {0};
    if (certificate.size == 0 || self->root_count == PROFILE_ROOTS_MAX) return false;
    bool fits = fill_root(&root, self->profile, certificate) &&
                trust_find(self, root.certificate.subject, root.certificate.subject_key_id) == NULL;
    if (fits) {
        self->roots[self->root_count++] = root;
    } else {
        clear_root(&root);
    }
    return fits;
}

bool trust_knows_issuer(const trust_t *self, der_t issuer)
{
    for (size_t i = 0; i < self->root_count; i++) {
        if (der_equal(self->roots[i].certificate.subject, issuer)) return true;
    }
    return false;
}

const root_t *trust_find(const trust_t *self, der_t issuer, der_t key_id)
{
    for (size_t i = 0; i < self->root_count; i++) {
        const certificate_t *root = &self->roots[i].certificate;
        if (der_equal(root->subject, issuer) && der_equal(root->subject_key_id, key_id)) return &self->roots[i];
    }
    return NULL;
}
