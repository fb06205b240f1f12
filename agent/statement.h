/* SPDX-License-Identifier: Apache-2.0 */
/* Our own version of the statement that the card will sign. The platform's answer to a challenge gives the nonce and
 * the times; every other field must equal what this terminal displays, or nothing is signed. */
#ifndef MYKEY_AGENT_STATEMENT_H
#define MYKEY_AGENT_STATEMENT_H

#include "agent/problem.h"
#include "agent/profile.h"
#include "common/tap/tap.h"

enum { STATEMENT_CLOCK_LIMIT_MS = 60000 };

typedef struct statement_fields {
    const char *environment, *origin;
    const profile_identity *identity; /* terminal id, key hash; its operator is the audience */
    Mykey__Purpose purpose;
    bool has_object;
    uint8_t object[32];
    uint8_t request_id[16];
} statement_fields;

/* Compares and composes. CHALLENGE_MISMATCH (*ret_detail names the field), CLOCK_WRONG (times are more than a minute
 * off our clock), BAD_REQUEST (not a statement at all). */
problem_t statement_compose(const statement_fields *own, const Mykey__TapStatement *theirs, uint64_t now_ms,
                            uint8_t out[TAP_CANONICAL_MAX], size_t *ret_size, const char **ret_detail);

#endif
