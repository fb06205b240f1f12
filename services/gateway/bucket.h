/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket: so many at once, so many a second after that. */
#ifndef MYKEY_GATEWAY_BUCKET_H
#define MYKEY_GATEWAY_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct bucket_rate {
    double per_s; /* > 0 */
    double burst; /* >= 1 */
} bucket_rate;

typedef struct bucket {
    double tokens;
    uint64_t at_ms;
} bucket;

/* Full. now_ms: monotonic. */
bucket bucket_full(bucket_rate rate, uint64_t now_ms);

/* Takes a token: 0; else nothing is taken and the answer is how many milliseconds until there is one (>= 1). */
uint32_t bucket_take(bucket *self, bucket_rate rate, uint64_t now_ms);

/* Is it full again, so that forgetting it changes nothing? */
bool bucket_is_full(const bucket *self, bucket_rate rate, uint64_t now_ms);

#endif
