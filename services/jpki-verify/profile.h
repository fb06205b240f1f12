/* SPDX-License-Identifier: Apache-2.0 */
/* What a certificate must look like, as data: the next card generation is another row, not other code. */
#ifndef MYKEY_JPKI_PROFILE_H
#define MYKEY_JPKI_PROFILE_H

#include "services/jpki-verify/der.h"

enum {
    PROFILE_CERTIFICATE_MAX = 8192, /* octets */
    PROFILE_SIGNATURE_MAX = 512,
    PROFILE_ISSUER_MAX = 512,
    PROFILE_SERIAL_MAX = 5, /* content octets: four and a sign */
    PROFILE_ROOTS_MAX = 8,
};

/* Bit n of KeyUsage, counted as in RFC 5280 from the left. */
#define PROFILE_USAGE(n) (0x8000u >> (n))

typedef struct profile {
    const char *name;
    der_t signature_algorithm; /* AlgorithmIdentifier of certificates and revocation lists */
    der_t key_algorithm;       /* AlgorithmIdentifier of keys */
    unsigned key_bits;         /* of leaves and roots */
    uint32_t key_exponent;
    uint16_t leaf_usage;  /* exactly */
    uint16_t root_usage;  /* at least */
    der_t policy;         /* the one policy of a leaf, OID content */
    der_t extended_usage; /* one of ExtendedKeyUsage where that is present, OID content */
    int64_t crl_early_s;  /* how far thisUpdate may lie ahead of our clock */
} profile_t;

/* Certificates for user authentication (利用者証明用電子証明書) of the first card generation. Static. */
const profile_t *profile_auth(void);

#endif
