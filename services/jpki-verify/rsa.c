/* SPDX-License-Identifier: Apache-2.0 */
/* RSA_verify is deprecated in OpenSSL 3 and kept here, in one file: EVP takes half as long again for a key that is used
 * once. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "services/jpki-verify/rsa.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

enum { PIECE = 4 << 20 };

struct rsa_key {
    RSA *rsa;
};

static bool set_key(RSA *rsa, der_t modulus, uint32_t exponent)
{
    BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.size, NULL);
    BIGNUM *e = BN_new();
    if (n != NULL && e != NULL && BN_set_word(e, exponent) == 1 && RSA_set0_key(rsa, n, e, NULL) == 1) return true;
    BN_free(n);
    BN_free(e);
    return false;
}

rsa_key_t *rsa_key_new(der_t modulus, uint32_t exponent)
{
    rsa_key_t *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->rsa = RSA_new();
    if (self->rsa == NULL || !set_key(self->rsa, modulus, exponent)) rsa_key_destroy(&self);
    return self;
}

void rsa_key_destroy(rsa_key_t **self_p)
{
    if (*self_p == NULL) return;
    RSA_free((*self_p)->rsa);
    free(*self_p);
    *self_p = NULL;
}

bool rsa_key_verify(rsa_key_t *self, const uint8_t digest[RSA_DIGEST_SIZE], der_t signature)
{
    if (signature.size != (size_t)RSA_size(self->rsa)) return false;
    if (RSA_verify(NID_sha256, digest, RSA_DIGEST_SIZE, signature.data, (unsigned)signature.size, self->rsa) == 1) {
        return true;
    }
    ERR_clear_error();
    return false;
}

static bool update(EVP_MD_CTX *context, der_t data, der_passed_fn *passed)
{
    for (size_t done = 0, size; done < data.size; done += size) {
        size = data.size - done < PIECE ? data.size - done : PIECE;
        if (EVP_DigestUpdate(context, data.data + done, size) != 1) return false;
        if (passed != NULL) passed(data.data + done, size);
    }
    return true;
}

bool rsa_digest(der_t data, der_passed_fn *passed, uint8_t out[RSA_DIGEST_SIZE])
{
    /* Fetched once: each fetch by name costs more than hashing a certificate. */
    static EVP_MD *sha256;
    static EVP_MD_CTX *context;
    if (sha256 == NULL) sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (context == NULL) context = EVP_MD_CTX_new();
    unsigned size = 0;
    return sha256 != NULL && context != NULL && EVP_DigestInit_ex2(context, sha256, NULL) == 1 &&
           update(context, data, passed) && EVP_DigestFinal_ex(context, out, &size) == 1 && size == RSA_DIGEST_SIZE;
}
