/* SPDX-License-Identifier: Apache-2.0 */
/* Pinned roots, and the index of what they have revoked. */
#ifndef MYKEY_JPKI_TRUST_H
#define MYKEY_JPKI_TRUST_H

#include "services/jpki-verify/certificate.h"
#include "services/jpki-verify/index.h"
#include "services/jpki-verify/profile.h"
#include "services/jpki-verify/rsa.h"

typedef struct root {
    uint8_t *bytes; /* the certificate's own copy */
    certificate_t certificate;
    rsa_key_t *key;
    uint8_t key_sha256[INDEX_HASH_SIZE]; /* of the bits of its SubjectPublicKeyInfo */
} root_t;

typedef struct trust {
    const profile_t *profile;
    size_t root_count;
    root_t roots[PROFILE_ROOTS_MAX];
    index_view index; /* no parts until one is opened */
} trust_t;

trust_t *trust_new(const profile_t *profile);
void trust_destroy(trust_t **self_p);

/* Adds a self-signed root of the profile (its bytes are copied). false: not one, a second with the same name and key
 * id, or more than PROFILE_ROOTS_MAX. Whoever calls has compared the bytes with their pin. */
DER_CHECKED bool trust_add_root(trust_t *self, der_t certificate);

/* Is there a root of this name? */
bool trust_knows_issuer(const trust_t *self, der_t issuer);

/* The root of this name and key id, or NULL. */
const root_t *trust_find(const trust_t *self, der_t issuer, der_t key_id);

/* An RSA key of the profile in a SubjectPublicKeyInfo's bits: its numbers, the modulus without its sign octet. */
DER_CHECKED bool trust_key_numbers(der_t key_bits, der_t *ret_modulus, uint32_t *ret_exponent);

/* Is the modulus positive, odd and of the profile's size? */
bool trust_key_size_fits(const profile_t *profile, der_t key_bits);

#endif
