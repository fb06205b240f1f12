/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/statement.h"

#include <string.h>

/* Points into `own` and `theirs`; text fields of protobuf-c are not const, but nobody writes to them. */
static Mykey__TapStatement build(const statement_fields *own, const Mykey__TapStatement *theirs)
{
    Mykey__TapStatement mine = MYKEY__TAP_STATEMENT__INIT;
    mine.has_version = true;
    mine.version = TAP_VERSION;
    mine.environment = (char *)own->environment;
    mine.terminal_id = (char *)own->identity->terminal_id;
    mine.has_terminal_key_sha256 = true;
    mine.terminal_key_sha256.data = (uint8_t *)own->identity->key_sha256;
    mine.terminal_key_sha256.len = sizeof own->identity->key_sha256;
    mine.origin = (char *)own->origin;
    mine.has_purpose = true;
    mine.purpose = own->purpose;
    mine.audience = (char *)own->identity->operator_id;
    mine.has_object = own->has_object;
    mine.object.data = (uint8_t *)own->object;
    mine.object.len = own->has_object ? sizeof own->object : 0;
    mine.has_request_id = true;
    mine.request_id.data = (uint8_t *)own->request_id;
    mine.request_id.len = sizeof own->request_id;
    mine.has_assurance = true;
    mine.assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
    tap_statement_take_given(&mine, theirs);
    return mine;
}

static bool clock_agrees(const Mykey__TapStatement *theirs, uint64_t now_ms)
{
    uint64_t issued = theirs->issued_at_ms;
    uint64_t apart = issued > now_ms ? issued - now_ms : now_ms - issued;
    return apart <= STATEMENT_CLOCK_LIMIT_MS;
}

problem_t statement_compose(const statement_fields *own, const Mykey__TapStatement *theirs, uint64_t now_ms,
                            uint8_t out[TAP_CANONICAL_MAX], size_t *ret_size, const char **ret_detail)
{
    Mykey__TapStatement mine = build(own, theirs);
    MK_TRY(tap_statement_same(&mine, theirs, ret_detail));
    MK_TRY(tap_statement_check(&mine, ret_detail));
    MK_ENSURE(clock_agrees(theirs, now_ms), MK_CLOCK_WRONG);
    return tap_statement_canonical(&mine, out, ret_size);
}
