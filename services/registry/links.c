/* SPDX-License-Identifier: Apache-2.0 */
/* Service IDs: link, unlink, withdraw consent, the operator's undo. */
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "common/tap/tap.h"
#include "services/registry/act.h"
#include "services/registry/number.h"
#include "services/registry/operator_row.h"

/* ---- link ---- */

static void on_linked(call_t *call, const PGresult *rows)
{
    Mykey__Registry__LinkReply reply = MYKEY__REGISTRY__LINK_REPLY__INIT;
    (void)rows;
    reply.customer_id = call->text;
    call_reply(call, MK_OK, &reply.base);
}

static void on_operator(call_t *call, const PGresult *rows)
{
    const Mykey__Registry__LinkRequest *request = (const Mykey__Registry__LinkRequest *)call->message;
    operator_row row;
    if (PQntuples(rows) == 0) {
        call_reply(call, MK_OPERATOR_UNKNOWN, NULL);
        return;
    }
    operator_row_read(rows, 0, 0, &row);
    if (!number_fits(&row.operator, call->text)) {
        call_reply(call, call_refuse(call, MK_NUMBER_INVALID, "rule"), NULL);
        return;
    }
    params_t params = {.count = 0};
    act_add(call, &params);
    params_text(&params, call->text);
    params_text(&params, request->terms_version);
    call_query(call, STATEMENT_LINK, params.list, on_linked);
}

/* Staff scanned the existing card and said yes: the number that was scanned is the number that is linked. */
static mk_code check_staff(const Mykey__Registry__StaffConfirmation *staff, const char *number)
{
    char scanned[NUMBER_MAX + 1];
    MK_ENSURE(staff != NULL && staff->has_confirmed && staff->confirmed, MK_STAFF_REQUIRED);
    MK_ENSURE(number_read(staff->scanned_customer_id, scanned) == MK_OK, MK_STAFF_REQUIRED);
    return strcmp(scanned, number) == 0 ? MK_OK : MK_STAFF_REQUIRED;
}

mk_code link_start(call_t *call)
{
    const Mykey__Registry__LinkRequest *request = (const Mykey__Registry__LinkRequest *)call->message;
    const char *terms_version = or_empty(request->terms_version);
    uint8_t object[32];
    MK_TRY(number_read(request->customer_id, call->text));
    if (!text_is_made_of(terms_version, TEXT_ID ".", 1, 16)) return call_refuse(call, MK_BAD_REQUEST, "terms_version");
    tap_object_link(call->ticket->audience, call->text, terms_version, object);
    MK_TRY(call_check_object(call, object));
    MK_TRY(check_staff(request->staff, call->text));
    if (number_is_my_number(call->text)) return call_refuse(call, MK_NUMBER_INVALID, "my_number");
    params_t params = {.count = 0};
    params_text(&params, call->ticket->audience);
    call_query(call, STATEMENT_GET_OPERATOR, params.list, on_operator);
    return MK_OK;
}

/* ---- unlink, withdraw ---- */

static void on_unlinked(call_t *call, const PGresult *rows)
{
    Mykey__Registry__UnlinkReply reply = MYKEY__REGISTRY__UNLINK_REPLY__INIT;
    reply.has_removed = 1;
    reply.removed = (uint32_t)db_number(rows, 0, 1);
    call_reply(call, MK_OK, &reply.base);
}

mk_code unlink_start(call_t *call)
{
    return act_start(call, STATEMENT_UNLINK, on_unlinked);
}

static void on_withdrawn(call_t *call, const PGresult *rows)
{
    Mykey__Registry__WithdrawConsentReply reply = MYKEY__REGISTRY__WITHDRAW_CONSENT_REPLY__INIT;
    reply.has_removed = 1;
    reply.removed = (uint32_t)db_number(rows, 0, 1);
    call_reply(call, MK_OK, &reply.base);
}

mk_code withdraw_consent_start(call_t *call)
{
    return act_start(call, STATEMENT_WITHDRAW_CONSENT, on_withdrawn);
}

/* ---- undo ---- */

static const char *const reasons[] = {"mistyped", "wrong_person", "card_returned", "other"};

static const char *find_reason(const char *reason)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(reason, reasons[i]) == 0) return reasons[i];
    }
    return NULL;
}

static void on_undone(call_t *call, const PGresult *rows)
{
    const Mykey__Registry__UndoLinkRequest *request = (const Mykey__Registry__UndoLinkRequest *)call->message;
    Mykey__Registry__UndoLinkReply reply = MYKEY__REGISTRY__UNDO_LINK_REPLY__INIT;
    const char *reason = find_reason(request->reason);
    (void)rows;
    metric_add(call->registry->undone, 1, reason, NULL, NULL, NULL);
    log_info("link_undone", LOG_TEXT(OPERATOR, request->operator_id), LOG_TEXT(TERMINAL, request->terminal_id),
             LOG_TEXT(DETAIL, reason));
    call_reply(call, MK_OK, &reply.base);
}

/* No tap here: the caller's request id tells a repeat. */
static void hash_undo(call_t *call, const char *operator_id)
{
    uint8_t bytes[32 + 1 + NUMBER_MAX];
    size_t operator_size = strlen(operator_id), number_size = strlen(call->text);
    bytes_sha256(bus_job_request_id(call->job), BUS_ID_SIZE, call->request);
    memcpy(bytes, operator_id, operator_size + 1);
    memcpy(bytes + operator_size + 1, call->text, number_size);
    bytes_sha256(bytes, operator_size + 1 + number_size, call->content);
}

mk_code undo_link_start(call_t *call)
{
    const Mykey__Registry__UndoLinkRequest *request = (const Mykey__Registry__UndoLinkRequest *)call->message;
    const char *operator_id = or_empty(request->operator_id);
    MK_ENSURE(find_reason(or_empty(request->reason)) != NULL, MK_REASON_INVALID);
    MK_ENSURE(text_is_made_of(operator_id, TEXT_ID, 1, 32), MK_OPERATOR_UNKNOWN);
    MK_TRY(number_read(request->customer_id, call->text));
    hash_undo(call, operator_id);
    params_t params = {.count = 0};
    params_text(&params, operator_id);
    params_text(&params, request->terminal_id);
    params_text(&params, call->text);
    params_bytes(&params, call->request, sizeof call->request);
    params_bytes(&params, call->content, sizeof call->content);
    call_query(call, STATEMENT_UNDO_LINK, params.list, on_undone);
    return MK_OK;
}
