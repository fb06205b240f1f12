/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/csr.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/x509.h>
#include <string.h>

static bool is_p256(EVP_PKEY *key)
{
    char group[32] = "";
    size_t size = 0;
    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &size) != 1) return false;
    return strcmp(group, SN_X9_62_prime256v1) == 0;
}

/* NULL if all is well, else what is not. */
static const char *find_fault(X509_REQ *request)
{
    if (request == NULL) return "csr_form";
    EVP_PKEY *key = X509_REQ_get0_pubkey(request);
    if (!is_p256(key)) return "csr_key";
    return X509_REQ_verify(request, key) == 1 ? NULL : "csr_signature";
}

mk_code csr_check(const uint8_t *der, size_t size, const char **ret_detail)
{
    const char *fault = "csr_size";
    if (size > 0 && size <= CSR_MAX) {
        const uint8_t *at = der;
        X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)size);
        fault = request != NULL && at != der + size ? "csr_form" : find_fault(request);
        X509_REQ_free(request);
        ERR_clear_error();
    }
    if (fault == NULL) return MK_OK;
    if (ret_detail != NULL) *ret_detail = fault;
    return MK_BAD_REQUEST;
}
