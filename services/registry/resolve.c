/* SPDX-License-Identifier: Apache-2.0 */
/* Resolve: a credential at an operator → that operator's own numbers and nothing else. Nothing is written, except that
 * a notice which is told is forgotten. */
#include "services/registry/resolve.h"

#include <string.h>

#include "services/registry/call.h"

enum { NUMBERS_MAX = 8 };
enum { COLUMN_I, COLUMN_CODE, COLUMN_CUSTOMER, COLUMN_NOTICED };

static char link_undone[] = "link_undone"; /* the only kind of notice */

mk_code resolve_start(call_t *call)
{
    MK_TRY(call_check_object(call, NULL));
    batch_add(call->registry->resolve_batch, call);
    return MK_OK;
}

static void add_keys(const call_t *call, db_array_t *const arrays[2])
{
    db_array_add(arrays[0], call->ticket->credential_id.data, call->ticket->credential_id.len);
    db_array_add(arrays[1], call->ticket->audience, strlen(call->ticket->audience));
}

/* The notices are taken first; then the numbers are looked up again, for the answer that tells both. */
static void on_notices(call_t *call, const PGresult *rows)
{
    call->noticed = PQntuples(rows) > 0;
    batch_add(call->registry->resolve_batch, call);
}

static void take_notices(call_t *call)
{
    db_param params[] = {
        db_param_bytes(call->ticket->credential_id.data, call->ticket->credential_id.len),
        db_param_text(call->ticket->audience),
    };
    call_query(call, STATEMENT_TAKE_NOTICES, params, on_notices);
}

static void answer(call_t *call, const PGresult *rows, int first, int count)
{
    if (db_flag(rows, first, COLUMN_NOTICED) && !call->noticed) {
        take_notices(call);
        return;
    }
    char *numbers[NUMBERS_MAX], *notices[] = {link_undone};
    Mykey__Registry__ResolveReply reply = MYKEY__REGISTRY__RESOLVE_REPLY__INIT;
    mk_code code = call_code_of(db_text(rows, first, COLUMN_CODE));
    for (int i = 0; code == MK_OK && i < count && i < NUMBERS_MAX; i++) {
        numbers[reply.n_customer_ids++] = db_text(rows, first + i, COLUMN_CUSTOMER);
    }
    reply.customer_ids = numbers;
    reply.notices = notices;
    reply.n_notices = call->noticed ? 1 : 0;
    if (call->noticed) call->detail = link_undone; /* with NOT_LINKED too: the last number was undone */
    call_reply(call, code, code == MK_OK || call->noticed ? &reply.base : NULL);
}

batch_t *resolve_batch_new(registry_t *registry)
{
    batch_spec spec = {STATEMENT_RESOLVE, {DB_ARRAY_BYTEA, DB_ARRAY_TEXT}, add_keys, answer};
    return batch_new(registry, &spec);
}
