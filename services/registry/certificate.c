/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/certificate.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "common/base/bytes.h"

static mk_code read_key(X509 *x509, certificate_facts *out)
{
    uint8_t *next = out->key;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), NULL);
    MK_ENSURE(size > 0 && size <= CERTIFICATE_KEY_MAX, MK_BAD_REQUEST);
    MK_ENSURE(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &next) == size, MK_BAD_REQUEST);
    out->key_size = (size_t)size;
    bytes_sha256(out->key, out->key_size, out->key_sha256);
    return MK_OK;
}

static mk_code read_name(X509 *x509, certificate_facts *out)
{
    X509_NAME *subject = X509_get_subject_name(x509);
    int size = X509_NAME_get_text_by_NID(subject, NID_commonName, out->common_name, sizeof out->common_name);
    MK_ENSURE(size > 0 && (size_t)size == strlen(out->common_name), MK_BAD_REQUEST);
    return MK_OK;
}

static mk_code read_end(X509 *x509, certificate_facts *out)
{
    struct tm end;
    MK_ENSURE(ASN1_TIME_to_tm(X509_get0_notAfter(x509), &end) == 1, MK_BAD_REQUEST);
    time_t seconds = timegm(&end);
    MK_ENSURE(seconds > 0, MK_BAD_REQUEST);
    out->not_after_ms = (uint64_t)seconds * 1000;
    return MK_OK;
}

mk_code certificate_read(const uint8_t *der, size_t size, certificate_facts *ret_facts)
{
    certificate_facts facts = {.key_size = 0};
    const uint8_t *next = der;
    MK_ENSURE(size > 0 && size <= CERTIFICATE_MAX, MK_BAD_REQUEST);
    X509 *x509 = d2i_X509(NULL, &next, (long)size);
    mk_code code = x509 != NULL && next == der + size ? MK_OK : MK_BAD_REQUEST;
    if (code == MK_OK) code = read_key(x509, &facts);
    if (code == MK_OK) code = read_name(x509, &facts);
    if (code == MK_OK) code = read_end(x509, &facts);
    X509_free(x509);
    ERR_clear_error();
    MK_TRY(code);
    bytes_sha256(der, size, facts.sha256);
    *ret_facts = facts;
    return MK_OK;
}
