/* SPDX-License-Identifier: Apache-2.0 */
/* Enrolment of terminals: invite, request, renewal; the terminal authority fetches what is open and hands back the
 * certificate. No authority key is here, and no request is parsed. */
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "services/registry/call.h"
#include "services/registry/certificate.h"
#include "services/registry/ident.h"
#include "services/registry/params.h"

enum { CSR_MAX = 4096, LABEL_MAX = 64, PENDING_MAX = 16, PENDING_BYTES_MAX = 56 * 1024, ENROLMENT_SIZE = 16 };

static mk_code check_csr(call_t *call, protobuf_c_boolean has_csr, const ProtobufCBinaryData *csr)
{
    bool ok = has_csr && csr->len >= 2 && csr->len <= CSR_MAX && csr->data[0] == 0x30;
    return ok ? MK_OK : call_refuse(call, MK_BAD_REQUEST, "csr");
}

static mk_code check_id(call_t *call, protobuf_c_boolean has_id, const ProtobufCBinaryData *id)
{
    return has_id && id->len == ENROLMENT_SIZE ? MK_OK : call_refuse(call, MK_BAD_REQUEST, "enrolment_id");
}

/* ---- invite ---- */

typedef struct invite_text {
    char code[IDENT_INVITE_SIZE + 1], terminal_id[IDENT_TERMINAL_SIZE + 1];
} invite_text;

static void on_invited(call_t *call, const PGresult *rows)
{
    const Mykey__Registry__InviteRequest *request = (const Mykey__Registry__InviteRequest *)call->message;
    invite_text *text = (invite_text *)call->text;
    Mykey__Registry__InviteReply reply = MYKEY__REGISTRY__INVITE_REPLY__INIT;
    reply.code = text->code;
    reply.terminal_id = text->terminal_id;
    reply.has_expires_at_ms = 1;
    reply.expires_at_ms = (uint64_t)db_number(rows, 0, 1);
    log_info("terminal_invited", LOG_TEXT(OPERATOR, request->operator_id), LOG_TEXT(TERMINAL, text->terminal_id));
    call_reply(call, MK_OK, &reply.base);
}

static bool is_label(const char *label)
{
    for (const char *p = label; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) return false;
    }
    return strlen(label) <= LABEL_MAX;
}

mk_code invite_start(call_t *call)
{
    const Mykey__Registry__InviteRequest *request = (const Mykey__Registry__InviteRequest *)call->message;
    _Static_assert(sizeof(invite_text) <= CALL_TEXT_MAX, "kept in the call until its reply");
    invite_text *text = (invite_text *)call->text;
    uint8_t hash[32];
    MK_ENSURE(text_is_made_of(or_empty(request->operator_id), TEXT_ID, 1, 32), MK_OPERATOR_UNKNOWN);
    if (!is_label(or_empty(request->label))) return call_refuse(call, MK_BAD_REQUEST, "label");
    ident_make_invite(text->code);
    ident_make_terminal_id(text->terminal_id);
    bytes_sha256((const uint8_t *)text->code, IDENT_INVITE_SIZE, hash);
    params_t params = {.count = 0};
    params_text(&params, request->operator_id);
    params_bytes(&params, hash, sizeof hash);
    params_text(&params, text->terminal_id);
    params_text(&params, request->label);
    call_query(call, STATEMENT_INVITE, params.list, on_invited);
    return MK_OK;
}

/* ---- enrol, renew ---- */

static void on_enrolled(call_t *call, const PGresult *rows)
{
    Mykey__Registry__EnrolReply reply = MYKEY__REGISTRY__ENROL_REPLY__INIT;
    reply.has_enrolment_id = 1;
    reply.enrolment_id.data = db_bytes(rows, 0, 1, &reply.enrolment_id.len);
    reply.terminal_id = db_text(rows, 0, 2);
    log_info("terminal_asked", LOG_TEXT(TERMINAL, reply.terminal_id));
    call_reply(call, MK_OK, &reply.base);
}

mk_code enrol_start(call_t *call)
{
    const Mykey__Registry__EnrolRequest *request = (const Mykey__Registry__EnrolRequest *)call->message;
    char code[IDENT_INVITE_SIZE + 1];
    uint8_t hash[32], enrolment[ENROLMENT_SIZE];
    MK_TRY(check_csr(call, request->has_csr, &request->csr));
    MK_ENSURE(ident_read_invite(or_empty(request->code), code) == MK_OK, MK_INVITE_INVALID);
    bytes_sha256((const uint8_t *)code, IDENT_INVITE_SIZE, hash);
    bytes_random(enrolment, sizeof enrolment);
    params_t params = {.count = 0};
    params_bytes(&params, hash, sizeof hash);
    params_bytes(&params, enrolment, sizeof enrolment);
    params_bytes(&params, request->csr.data, request->csr.len);
    call_query(call, STATEMENT_ENROL, params.list, on_enrolled);
    return MK_OK;
}

static void on_renewing(call_t *call, const PGresult *rows)
{
    Mykey__Registry__RenewReply reply = MYKEY__REGISTRY__RENEW_REPLY__INIT;
    reply.has_enrolment_id = 1;
    reply.enrolment_id.data = db_bytes(rows, 0, 1, &reply.enrolment_id.len);
    call_reply(call, MK_OK, &reply.base);
}

mk_code renew_start(call_t *call)
{
    const Mykey__Registry__RenewRequest *request = (const Mykey__Registry__RenewRequest *)call->message;
    uint8_t enrolment[ENROLMENT_SIZE];
    MK_TRY(check_csr(call, request->has_csr, &request->csr));
    bytes_random(enrolment, sizeof enrolment);
    params_t params = {.count = 0};
    params_text(&params, request->terminal_id);
    params_bytes(&params, enrolment, sizeof enrolment);
    params_bytes(&params, request->csr.data, request->csr.len);
    call_query(call, STATEMENT_RENEW, params.list, on_renewing);
    return MK_OK;
}

static void on_enrol_result(call_t *call, const PGresult *rows)
{
    Mykey__Registry__EnrolResultReply reply = MYKEY__REGISTRY__ENROL_RESULT_REPLY__INIT;
    reply.has_certificate = reply.has_authority = 1;
    reply.certificate.data = db_bytes(rows, 0, 1, &reply.certificate.len);
    reply.authority.data = db_bytes(rows, 0, 2, &reply.authority.len);
    call_reply(call, MK_OK, &reply.base);
}

mk_code enrol_result_start(call_t *call)
{
    const Mykey__Registry__EnrolResultRequest *request = (const Mykey__Registry__EnrolResultRequest *)call->message;
    MK_TRY(check_id(call, request->has_enrolment_id, &request->enrolment_id));
    params_t params = {.count = 0};
    params_bytes(&params, request->enrolment_id.data, request->enrolment_id.len);
    call_query(call, STATEMENT_ENROL_RESULT, params.list, on_enrol_result);
    return MK_OK;
}

/* ---- the terminal authority's side ---- */

static void on_pending(call_t *call, const PGresult *rows)
{
    Mykey__Registry__PendingEnrolment list[PENDING_MAX], *pending[PENDING_MAX];
    Mykey__Registry__PendingReply reply = MYKEY__REGISTRY__PENDING_REPLY__INIT;
    size_t bytes = 0;
    for (int i = 0; i < PQntuples(rows) && i < PENDING_MAX; i++) {
        Mykey__Registry__PendingEnrolment *item = &list[i];
        mykey__registry__pending_enrolment__init(item);
        item->has_enrolment_id = item->has_csr = 1;
        item->enrolment_id.data = db_bytes(rows, i, 0, &item->enrolment_id.len);
        item->terminal_id = db_text(rows, i, 1);
        item->operator_id = db_text(rows, i, 2);
        item->csr.data = db_bytes(rows, i, 3, &item->csr.len);
        bytes += protobuf_c_message_get_packed_size(&item->base) + 4;
        if (bytes > PENDING_BYTES_MAX) break; /* the rest comes with the next request */
        pending[reply.n_pending++] = item;
    }
    reply.pending = pending;
    call_reply(call, MK_OK, &reply.base);
}

mk_code pending_start(call_t *call)
{
    call_query(call, STATEMENT_PENDING, NULL, on_pending);
    return MK_OK;
}

static void on_issued(call_t *call, const PGresult *rows)
{
    Mykey__Registry__IssueReply reply = MYKEY__REGISTRY__ISSUE_REPLY__INIT;
    log_info("terminal_issued", LOG_TEXT(TERMINAL, db_text(rows, 0, 1)));
    call_reply(call, MK_OK, &reply.base);
}

mk_code issue_start(call_t *call)
{
    const Mykey__Registry__IssueRequest *request = (const Mykey__Registry__IssueRequest *)call->message;
    certificate_facts facts;
    MK_TRY(check_id(call, request->has_enrolment_id, &request->enrolment_id));
    call->detail = "certificate";
    MK_TRY(certificate_read(request->certificate.data, request->certificate.len, &facts));
    if (request->authority.len < 1 || request->authority.len > CERTIFICATE_MAX) {
        return call_refuse(call, MK_BAD_REQUEST, "authority");
    }
    params_t params = {.count = 0};
    params_bytes(&params, request->enrolment_id.data, request->enrolment_id.len);
    params_bytes(&params, request->certificate.data, request->certificate.len);
    params_bytes(&params, request->authority.data, request->authority.len);
    params_bytes(&params, facts.sha256, sizeof facts.sha256);
    params_bytes(&params, facts.key, facts.key_size);
    params_bytes(&params, facts.key_sha256, sizeof facts.key_sha256);
    params_text(&params, facts.common_name);
    params_number(&params, (int64_t)facts.not_after_ms);
    call_query(call, STATEMENT_ISSUE, params.list, on_issued);
    return MK_OK;
}
