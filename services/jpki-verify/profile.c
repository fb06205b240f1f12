/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/profile.h"

#define SHA256_WITH_RSA "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"
#define RSA_ENCRYPTION "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
#define POLICY_AUTH "\x2a\x83\x08\x8c\x9b\x55\x08\x05\x01\x03\x1e" /* 1.2.392.200149.8.5.1.3.30 */
#define CLIENT_AUTH "\x2b\x06\x01\x05\x05\x07\x03\x02"             /* 1.3.6.1.5.5.7.3.2 */

const profile_t *profile_auth(void)
{
    static const profile_t auth = {
        .name = "auth-rsa-2048",
        .signature_algorithm = {(const uint8_t *)SHA256_WITH_RSA, sizeof SHA256_WITH_RSA - 1},
        .key_algorithm = {(const uint8_t *)RSA_ENCRYPTION, sizeof RSA_ENCRYPTION - 1},
        .key_bits = 2048,
        .key_exponent = 65537,
        .leaf_usage = PROFILE_USAGE(0),
        .root_usage = PROFILE_USAGE(5) | PROFILE_USAGE(6),
        .policy = {(const uint8_t *)POLICY_AUTH, sizeof POLICY_AUTH - 1},
        .extended_usage = {(const uint8_t *)CLIENT_AUTH, sizeof CLIENT_AUTH - 1},
        .crl_early_s = 300,
    };
    return &auth;
}
