/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals: found by their certificate, listed, revoked. */
#include "services/registry/terminals.h"

#include <string.h>

#include "common/base/text.h"
#include "common/log/log.h"
#include "services/registry/call.h"
#include "services/registry/operator_row.h"
#include "services/registry/params.h"

enum { LIST_MAX = 64 };

static void fill(Mykey__Registry__Terminal *terminal, const PGresult *rows, int row, int column, bool revoked)
{
    terminal->has_state = 1;
    terminal->state = revoked ? MYKEY__REGISTRY__TERMINAL_STATE__TERMINAL_STATE_REVOKED
                              : MYKEY__REGISTRY__TERMINAL_STATE__TERMINAL_STATE_ACTIVE;
    terminal->has_key_sha256 = !PQgetisnull(rows, row, column);
    terminal->key_sha256.data = db_bytes(rows, row, column, &terminal->key_sha256.len);
    terminal->has_not_after_ms = 1;
    terminal->not_after_ms = (uint64_t)db_number(rows, row, column + 1);
}

/* ---- find ---- */

enum { FOUND_I, FOUND_CODE, FOUND_TERMINAL, FOUND_REVOKED, FOUND_KEY, FOUND_NOT_AFTER, FOUND_OPERATOR };

mk_code find_terminal_start(call_t *call)
{
    const Mykey__Registry__FindTerminalRequest *request = (const Mykey__Registry__FindTerminalRequest *)call->message;
    bool ok = request->has_certificate_sha256 && request->certificate_sha256.len == 32;
    if (!ok) return call_refuse(call, MK_BAD_REQUEST, "certificate_sha256");
    batch_add(call->registry->terminal_batch, call);
    return MK_OK;
}

static void add_keys(const call_t *call, db_array_t *const arrays[2])
{
    const Mykey__Registry__FindTerminalRequest *request = (const Mykey__Registry__FindTerminalRequest *)call->message;
    db_array_add(arrays[0], request->certificate_sha256.data, request->certificate_sha256.len);
}

static void answer(call_t *call, const PGresult *rows, int first, int count)
{
    mk_code code = call_code_of(db_text(rows, first, FOUND_CODE));
    (void)count;
    if (code != MK_OK) {
        call_reply(call, code, NULL);
        return;
    }
    operator_row row;
    Mykey__Registry__Terminal terminal = MYKEY__REGISTRY__TERMINAL__INIT;
    Mykey__Registry__FindTerminalReply reply = MYKEY__REGISTRY__FIND_TERMINAL_REPLY__INIT;
    operator_row_read(rows, first, FOUND_OPERATOR, &row);
    fill(&terminal, rows, first, FOUND_KEY, db_flag(rows, first, FOUND_REVOKED));
    terminal.terminal_id = db_text(rows, first, FOUND_TERMINAL);
    terminal.operator_id = row.operator.operator_id;
    reply.terminal = &terminal;
    reply.operator_ = &row.operator;
    call_reply(call, MK_OK, &reply.base);
}

batch_t *terminal_batch_new(registry_t *registry)
{
    batch_spec spec = {STATEMENT_FIND_TERMINALS, {DB_ARRAY_BYTEA}, add_keys, answer};
    return batch_new(registry, &spec);
}

/* ---- list ---- */

static void on_listed(call_t *call, const PGresult *rows)
{
    Mykey__Registry__Terminal list[LIST_MAX], *terminals[LIST_MAX];
    Mykey__Registry__ListTerminalsReply reply = MYKEY__REGISTRY__LIST_TERMINALS_REPLY__INIT;
    for (int i = 0; i < PQntuples(rows) && i < LIST_MAX; i++) {
        mykey__registry__terminal__init(&list[i]);
        list[i].terminal_id = db_text(rows, i, 0);
        list[i].operator_id = db_text(rows, i, 1);
        fill(&list[i], rows, i, 3, db_flag(rows, i, 2));
        terminals[reply.n_terminals++] = &list[i];
    }
    reply.terminals = terminals;
    call_reply(call, MK_OK, &reply.base);
}

mk_code list_terminals_start(call_t *call)
{
    const Mykey__Registry__ListTerminalsRequest *request = (const Mykey__Registry__ListTerminalsRequest *)call->message;
    const char *operator_id = or_empty(request->operator_id), *after = or_empty(request->after);
    MK_ENSURE(text_is_made_of(operator_id, TEXT_ID, 0, 32), MK_OPERATOR_UNKNOWN);
    if (!text_is_made_of(after, TEXT_ID, 0, 32)) return call_refuse(call, MK_BAD_REQUEST, "after");
    params_t params = {.count = 0};
    params_text(&params, operator_id);
    params_text(&params, after);
    call_query(call, STATEMENT_LIST_TERMINALS, params.list, on_listed);
    return MK_OK;
}

/* ---- revoke ---- */

static void on_revoked(call_t *call, const PGresult *rows)
{
    const Mykey__Registry__RevokeTerminalRequest *request =
        (const Mykey__Registry__RevokeTerminalRequest *)call->message;
    Mykey__Registry__RevokeTerminalReply reply = MYKEY__REGISTRY__REVOKE_TERMINAL_REPLY__INIT;
    (void)rows;
    log_info("terminal_revoked", LOG_TEXT(TERMINAL, request->terminal_id));
    call_reply(call, MK_OK, &reply.base);
}

mk_code revoke_terminal_start(call_t *call)
{
    const Mykey__Registry__RevokeTerminalRequest *request =
        (const Mykey__Registry__RevokeTerminalRequest *)call->message;
    MK_ENSURE(text_is_made_of(or_empty(request->terminal_id), TEXT_ID, 1, 32), MK_TERMINAL_UNKNOWN);
    params_t params = {.count = 0};
    params_text(&params, request->terminal_id);
    call_query(call, STATEMENT_REVOKE_TERMINAL, params.list, on_revoked);
    return MK_OK;
}
