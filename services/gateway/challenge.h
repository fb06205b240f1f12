/* SPDX-License-Identifier: Apache-2.0 */
/* The challenges that this gateway has issued and that wait for their tap (docs/tap.md): in memory, bounded, each
 * redeemed at most once. */
#ifndef MYKEY_GATEWAY_CHALLENGE_H
#define MYKEY_GATEWAY_CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"
#include "proto/tap.pb-c.h"

enum {
    CHALLENGE_NONCE_SIZE = 32,
    CHALLENGE_PER_TERMINAL = 4, /* further ones replace the oldest */
    CHALLENGE_LIFE_MS = 15000,
    CHALLENGE_MEMORY_MS = 30000, /* as long again, an expired one is told from an unknown one */
};

typedef struct challenge {
    char terminal_id[33];
    char audience[33];
    uint8_t terminal_key_sha256[32];
    Mykey__Purpose purpose;
    bool has_object;
    uint8_t object[32];
    uint8_t request_id[16];
    uint8_t nonce[CHALLENGE_NONCE_SIZE];
    uint64_t issued_at_ms; /* wall clock; expires CHALLENGE_LIFE_MS later */
} challenge;

/* The statement that the card signs. Points into self, environment and origin. */
void challenge_statement(const challenge *self, const char *environment, const char *origin,
                         Mykey__TapStatement *ret_statement);

typedef struct challenge_store challenge_store_t;

challenge_store_t *challenge_store_new(size_t max);
void challenge_store_destroy(challenge_store_t **self_p);

/* Records a copy. Replaces the terminal's challenge of the same request id and, beyond CHALLENGE_PER_TERMINAL, its
 * oldest. BUSY when `max` are recorded. now_ms: monotonic, never going back. */
mk_code challenge_store_put(challenge_store_t *self, const challenge *value, uint64_t now_ms) MK_CHECKED;

/* Removes the record first, whatever the answer. CHALLENGE_GONE: not known; CHALLENGE_EXPIRED; CHALLENGE_MISMATCH:
 * another terminal's. */
mk_code challenge_store_take(challenge_store_t *self, const uint8_t nonce[CHALLENGE_NONCE_SIZE],
                             const char *terminal_id, uint64_t now_ms, challenge *ret_value) MK_CHECKED;

/* How many can still be redeemed. Forgets those past their memory. */
size_t challenge_store_open(challenge_store_t *self, uint64_t now_ms);

#endif
