/* SPDX-License-Identifier: Apache-2.0 */
/* RSA signatures, PKCS#1 v1.5 with SHA-256, through OpenSSL. The key is built from its numbers: OpenSSL's decoders cost
 * about nine verifications' time. */
#ifndef MYKEY_JPKI_RSA_H
#define MYKEY_JPKI_RSA_H

#include "services/jpki-verify/der.h"

enum { RSA_DIGEST_SIZE = 32 };

typedef struct rsa_key rsa_key_t;

/* modulus: big-endian without leading zeros. NULL when out of memory. The caller frees. */
rsa_key_t *rsa_key_new(der_t modulus, uint32_t exponent);
void rsa_key_destroy(rsa_key_t **self_p);

/* Is this the key's signature of this digest? The first call computes what later ones of the same key reuse. */
bool rsa_key_verify(rsa_key_t *self, const uint8_t digest[RSA_DIGEST_SIZE], der_t signature);

/* SHA-256; false only when OpenSSL fails. passed: may be NULL. */
DER_CHECKED bool rsa_digest(der_t data, der_passed_fn *passed, uint8_t out[RSA_DIGEST_SIZE]);

#endif
