/* SPDX-License-Identifier: Apache-2.0 */
/* One certificate with its challenge, as verify_make writes and verify_rate maps them. */
#ifndef MYKEY_BENCH_VERIFY_RECORD_H
#define MYKEY_BENCH_VERIFY_RECORD_H

#include "services/jpki-verify/check.h"

struct record {
    uint32_t size;
    uint8_t digest[RSA_DIGEST_SIZE], signature[256];
    uint8_t certificate[1756]; /* 2,048 in all */
};

#endif
