/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of one X.509 certificate, as views into its bytes. Reading checks form, never meaning. */
#ifndef MYKEY_JPKI_CERTIFICATE_H
#define MYKEY_JPKI_CERTIFICATE_H

#include "services/jpki-verify/der.h"

typedef struct certificate {
    size_t trailing;                        /* octets after the certificate */
    der_t signed_part;                      /* TBSCertificate, whole */
    unsigned version;                       /* 1 … 3 */
    der_t serial;                           /* content octets */
    der_t inner_algorithm, outer_algorithm; /* AlgorithmIdentifier, whole */
    der_t issuer, subject;                  /* Name, whole */
    int64_t not_before, not_after;          /* seconds since the Unix epoch */
    der_t key_algorithm;                    /* AlgorithmIdentifier, whole */
    der_t key;                              /* octets of the key's BIT STRING */
    der_t signature;

    /* extensions; empty where absent */
    der_t authority_key_id, authority_issuer, authority_serial;
    der_t subject_key_id;
    bool has_key_usage;
    uint16_t key_usage; /* PROFILE_USAGE bits */
    bool is_ca, has_path_length;
    der_t point_names;     /* GeneralNames of the one distribution point */
    bool has_more_points;  /* than one */
    der_t policies;        /* content of certificatePolicies */
    der_t extended_usage;  /* content of extKeyUsage */
    bool has_duplicate;    /* the same extension twice */
    bool has_critical;     /* a critical extension that is not known here */
    bool has_ca_extension; /* one that only authorities, proxies or routers have */
} certificate_t;

/* False unless the form is strict DER of RFC 5280 in every part that is read here. */
DER_CHECKED bool certificate_read(der_t data, certificate_t *ret_certificate);

/* One AlgorithmIdentifier, whole. */
DER_CHECKED bool certificate_algorithm(der_t *in, der_t *ret_whole);

/* One Extension of any kind, also in revocation lists. */
typedef struct extension {
    der_t oid;
    bool critical;
    der_t value; /* content of the OCTET STRING */
} extension_t;

DER_CHECKED bool certificate_extension(der_t *in, extension_t *ret_extension);

/* AuthorityKeyIdentifier into its three parts. */
DER_CHECKED bool certificate_authority_key(der_t value, der_t *ret_key_id, der_t *ret_issuer, der_t *ret_serial);

/* extensions.c: exactly one GeneralName and nothing else? */
bool certificate_is_one_name(der_t names);

/* extensions.c: the content of Extensions. */
DER_CHECKED bool extensions_read(der_t list, certificate_t *certificate);

#endif
