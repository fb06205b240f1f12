/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry reads out of a terminal certificate that our own authority made. */
#ifndef MYKEY_REGISTRY_CERTIFICATE_H
#define MYKEY_REGISTRY_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

enum { CERTIFICATE_NAME_MAX = 64, CERTIFICATE_KEY_MAX = 600, CERTIFICATE_MAX = 4096 };

typedef struct certificate_facts {
    uint8_t sha256[32];
    uint8_t key[CERTIFICATE_KEY_MAX]; /* SubjectPublicKeyInfo, DER */
    size_t key_size;
    uint8_t key_sha256[32];
    char common_name[CERTIFICATE_NAME_MAX + 1];
    uint64_t not_after_ms;
} certificate_facts;

/* BAD_REQUEST: not one certificate in DER, no common name, key too large. */
mk_code certificate_read(const uint8_t *der, size_t size, certificate_facts *ret_facts) MK_CHECKED;

#endif
