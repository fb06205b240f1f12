/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/bucket.h"

bucket bucket_full(bucket_rate rate, uint64_t now_ms)
{
    return (bucket){.tokens = rate.burst, .at_ms = now_ms};
}

static double tokens_at(const bucket *self, bucket_rate rate, uint64_t now_ms)
{
    double passed_s = now_ms > self->at_ms ? (double)(now_ms - self->at_ms) / 1000.0 : 0;
    double tokens = self->tokens + passed_s * rate.per_s;
    return tokens > rate.burst ? rate.burst : tokens;
}

uint32_t bucket_take(bucket *self, bucket_rate rate, uint64_t now_ms)
{
    double tokens = tokens_at(self, rate, now_ms);
    if (tokens < 1) return (uint32_t)((1 - tokens) / rate.per_s * 1000.0) + 1;
    self->tokens = tokens - 1;
    self->at_ms = now_ms;
    return 0;
}

bool bucket_is_full(const bucket *self, bucket_rate rate, uint64_t now_ms)
{
    return tokens_at(self, rate, now_ms) >= rate.burst;
}
