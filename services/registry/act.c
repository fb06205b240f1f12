/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/act.h"

#include <string.h>

#include "common/base/bytes.h"

enum { CREDENTIAL_SIZE = 32, OBJECT_SIZE = 32, AUDIENCE_MAX = 32 };

/* Two hashes instead of what they stand for: a row that is kept says neither who nor where. */
static void hash_request(call_t *call)
{
    const Mykey__TapTicket *ticket = call->ticket;
    uint8_t bytes[1 + OBJECT_SIZE + AUDIENCE_MAX + CREDENTIAL_SIZE] = {0};
    memcpy(bytes, ticket->credential_id.data, CREDENTIAL_SIZE);
    memcpy(bytes + CREDENTIAL_SIZE, ticket->request_id.data, BUS_ID_SIZE);
    bytes_sha256(bytes, CREDENTIAL_SIZE + BUS_ID_SIZE, call->request);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (uint8_t)ticket->purpose;
    if (ticket->has_object && ticket->object.len == OBJECT_SIZE) memcpy(bytes + 1, ticket->object.data, OBJECT_SIZE);
    memcpy(bytes + 1 + OBJECT_SIZE, ticket->audience, strlen(ticket->audience)); /* at most 32: call.c */
    bytes_sha256(bytes, sizeof bytes, call->content);
}

void act_add_request(call_t *call, params_t *params)
{
    hash_request(call);
    params_bytes(params, call->request, sizeof call->request);
    params_bytes(params, call->content, sizeof call->content);
}

void act_add(call_t *call, params_t *params)
{
    params_bytes(params, call->ticket->credential_id.data, call->ticket->credential_id.len);
    params_text(params, call->ticket->audience);
    act_add_request(call, params);
}

mk_code act_start(call_t *call, statement_id statement, call_rows_fn *on_rows)
{
    MK_TRY(call_check_object(call, NULL));
    params_t params = {.count = 0};
    act_add(call, &params);
    call_query(call, statement, params.list, on_rows);
    return MK_OK;
}
