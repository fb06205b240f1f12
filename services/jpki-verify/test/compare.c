/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/test/compare.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

static bool same_octets(der_t ours, const uint8_t *theirs, int size)
{
    return size >= 0 && (size_t)size == ours.size && memcmp(ours.data, theirs, ours.size) == 0;
}

/* Does encoding OpenSSL's object give our bytes? */
#define SAME_ENCODING(ours, function, object)            \
    ({                                                   \
        uint8_t *encoded_ = NULL;                        \
        int size_ = function((object), &encoded_);       \
        bool same_ = same_octets(ours, encoded_, size_); \
        OPENSSL_free(encoded_);                          \
        same_;                                           \
    })

static bool same_time(int64_t ours, const ASN1_TIME *theirs)
{
    struct tm moment;
    return ASN1_TIME_to_tm(theirs, &moment) == 1 && timegm(&moment) == ours;
}

static bool same_serial(der_t ours, X509 *certificate)
{
    der_t whole;
    uint8_t *encoded = NULL;
    int size = i2d_ASN1_INTEGER(X509_get_serialNumber(certificate), &encoded);
    der_t in = {encoded, size > 0 ? (size_t)size : 0};
    bool same = der_integer(&in, &whole) && der_equal(whole, ours);
    OPENSSL_free(encoded);
    return same;
}

static uint32_t usage_of(const certificate_t *fields)
{
    /* OpenSSL counts from the other end of each octet. */
    return (uint32_t)(fields->key_usage >> 8) | (uint32_t)(fields->key_usage & 0xFF) << 8;
}

static const char *compare_extensions(const certificate_t *fields, X509 *certificate)
{
    uint32_t flags = X509_get_extension_flags(certificate);
    if (fields->has_duplicate || fields->has_ca_extension) return NULL; /* refused by their rows, contents unread */
    if ((flags & EXFLAG_INVALID) != 0) return "an extension is invalid";
    if (fields->has_key_usage != ((flags & EXFLAG_KUSAGE) != 0)) return "key usage is there or not";
    if (fields->has_key_usage && usage_of(fields) != X509_get_key_usage(certificate)) return "key usage";
    if (fields->is_ca != ((flags & EXFLAG_CA) != 0)) return "CA or not";
    if (!fields->has_critical && (flags & EXFLAG_CRITICAL) != 0) return "an unknown critical extension";
    const ASN1_OCTET_STRING *id = X509_get0_authority_key_id(certificate);
    der_t ours = fields->authority_key_id;
    if ((id != NULL) != (ours.size > 0)) return "authority key id is there or not";
    if (id != NULL && !same_octets(ours, ASN1_STRING_get0_data(id), ASN1_STRING_length(id))) return "authority key id";
    return NULL;
}

static const char *compare_fields(const certificate_t *fields, X509 *certificate)
{
    const ASN1_BIT_STRING *signature, *key = X509_get0_pubkey_bitstr(certificate);
    const X509_ALGOR *outer;
    X509_get0_signature(&signature, &outer, certificate);
    if ((long)fields->version != X509_get_version(certificate) + 1) return "version";
    if (!same_serial(fields->serial, certificate)) return "serial";
    if (!SAME_ENCODING(fields->issuer, i2d_X509_NAME, X509_get_issuer_name(certificate))) return "issuer";
    if (!SAME_ENCODING(fields->subject, i2d_X509_NAME, X509_get_subject_name(certificate))) return "subject";
    if (!SAME_ENCODING(fields->outer_algorithm, i2d_X509_ALGOR, outer)) return "outer algorithm";
    if (!SAME_ENCODING(fields->inner_algorithm, i2d_X509_ALGOR, X509_get0_tbs_sigalg(certificate))) return "algorithm";
    if (!SAME_ENCODING(fields->signed_part, i2d_re_X509_tbs, certificate)) return "signed part";
    if (!same_time(fields->not_before, X509_get0_notBefore(certificate))) return "notBefore";
    if (!same_time(fields->not_after, X509_get0_notAfter(certificate))) return "notAfter";
    if (!same_octets(fields->signature, signature->data, signature->length)) return "signature";
    if (!same_octets(fields->key, key->data, key->length)) return "key";
    return compare_extensions(fields, certificate);
}

const char *compare_with_openssl(der_t data, const certificate_t *fields)
{
    const uint8_t *at = data.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)data.size);
    const char *differs = "OpenSSL can't read it";
    if (certificate != NULL) {
        bool same_end = (size_t)(at - data.data) == data.size - fields->trailing;
        differs = same_end ? compare_fields(fields, certificate) : "where it ends";
    }
    X509_free(certificate);
    ERR_clear_error();
    return differs;
}
