/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal's certificate request: only its key counts. */
#ifndef MYKEY_GATEWAY_CSR_H
#define MYKEY_GATEWAY_CSR_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

enum { CSR_MAX = 4096 };

/* PKCS#10 in DER, at most CSR_MAX bytes and nothing after it, key EC P-256, signed with that key. BAD_REQUEST:
 * *ret_detail (may be NULL) is "csr_size", "csr_form", "csr_key" or "csr_signature". */
mk_code csr_check(const uint8_t *der, size_t size, const char **ret_detail) MK_CHECKED;

#endif
