/* SPDX-License-Identifier: Apache-2.0 */
/* Operators: put, get, list. */
#include <string.h>

#include "common/base/text.h"
#include "common/log/log.h"
#include "services/registry/call.h"
#include "services/registry/operator_row.h"
#include "services/registry/params.h"

enum { LIST_MAX = 32, LIST_BYTES_MAX = 56 * 1024 };

static void on_put(call_t *call, const PGresult *rows)
{
    const Mykey__Registry__PutOperatorRequest *request = (const Mykey__Registry__PutOperatorRequest *)call->message;
    Mykey__Registry__PutOperatorReply reply = MYKEY__REGISTRY__PUT_OPERATOR_REPLY__INIT;
    (void)rows;
    log_info("operator_put", LOG_TEXT(OPERATOR, request->operator_->operator_id));
    call_reply(call, MK_OK, &reply.base);
}

mk_code put_operator_start(call_t *call)
{
    const Mykey__Registry__PutOperatorRequest *request = (const Mykey__Registry__PutOperatorRequest *)call->message;
    operator_row row;
    if (request->operator_ == NULL) return call_refuse(call, MK_BAD_REQUEST, "operator");
    MK_TRY(operator_row_check(request->operator_, &row, &call->detail));
    params_t params = {.count = 0};
    operator_row_params(&row, &params);
    call_query(call, STATEMENT_PUT_OPERATOR, params.list, on_put);
    return MK_OK;
}

static void on_got(call_t *call, const PGresult *rows)
{
    if (PQntuples(rows) == 0) {
        call_reply(call, MK_OPERATOR_UNKNOWN, NULL);
        return;
    }
    operator_row row;
    Mykey__Registry__GetOperatorReply reply = MYKEY__REGISTRY__GET_OPERATOR_REPLY__INIT;
    operator_row_read(rows, 0, 0, &row);
    reply.operator_ = &row.operator;
    call_reply(call, MK_OK, &reply.base);
}

mk_code get_operator_start(call_t *call)
{
    const Mykey__Registry__GetOperatorRequest *request = (const Mykey__Registry__GetOperatorRequest *)call->message;
    const char *operator_id = or_empty(request->operator_id);
    MK_ENSURE(text_is_made_of(operator_id, TEXT_ID, 1, 32), MK_OPERATOR_UNKNOWN);
    params_t params = {.count = 0};
    params_text(&params, operator_id);
    call_query(call, STATEMENT_GET_OPERATOR, params.list, on_got);
    return MK_OK;
}

/* As many as fit a bus message; the asker goes on after the last one until none is left. */
static void on_listed(call_t *call, const PGresult *rows)
{
    operator_row list[LIST_MAX];
    Mykey__Registry__Operator *operators[LIST_MAX];
    Mykey__Registry__ListOperatorsReply reply = MYKEY__REGISTRY__LIST_OPERATORS_REPLY__INIT;
    size_t bytes = 0;
    for (int i = 0; i < PQntuples(rows) && i < LIST_MAX; i++) {
        operator_row_read(rows, i, 0, &list[i]);
        bytes += protobuf_c_message_get_packed_size(&list[i].operator.base) + 4;
        if (bytes > LIST_BYTES_MAX) break;
        operators[reply.n_operators++] = &list[i].operator;
    }
    reply.operators = operators;
    call_reply(call, MK_OK, &reply.base);
}

mk_code list_operators_start(call_t *call)
{
    const Mykey__Registry__ListOperatorsRequest *request = (const Mykey__Registry__ListOperatorsRequest *)call->message;
    const char *after = or_empty(request->after);
    if (!text_is_made_of(after, TEXT_ID, 0, 32)) return call_refuse(call, MK_BAD_REQUEST, "after");
    params_t params = {.count = 0};
    params_text(&params, after);
    call_query(call, STATEMENT_LIST_OPERATORS, params.list, on_listed);
    return MK_OK;
}
