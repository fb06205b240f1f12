/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/enrol, /v1/enrol/result, /v1/renew: a terminal's certificate request waits at the registry until the
 * terminal authority has signed it. */
#include "common/base/text.h"
#include "proto/terminal.pb-c.h"
#include "services/gateway/csr.h"
#include "services/gateway/route.h"
#include "services/gateway/upstream.h"

enum { INVITE_CODE_MAX = 64 };

/* Answers and returns false if the certificate request is not one that we take. */
static bool take_csr(request_t *request, protobuf_c_boolean present, const ProtobufCBinaryData *csr)
{
    const char *detail = "csr_size";
    mk_code code = present ? csr_check(csr->data, csr->len, &detail) : MK_BAD_REQUEST;
    if (code != MK_OK) request_fail(request, code, detail, 0);
    return code == MK_OK;
}

static void enrolled(request_t *request, const ProtobufCMessage *message)
{
    const Mykey__Registry__EnrolReply *in = (const Mykey__Registry__EnrolReply *)message;
    Mykey__Terminal__EnrolAccepted reply = MYKEY__TERMINAL__ENROL_ACCEPTED__INIT;
    reply.has_enrolment_id = in->has_enrolment_id;
    reply.enrolment_id = in->enrolment_id;
    reply.terminal_id = in->terminal_id;
    request_answer(request, &reply.base);
}

void handle_enrol(request_t *request)
{
    const Mykey__Terminal__Enrol *in = (const Mykey__Terminal__Enrol *)request_message(request);
    if (in->code == NULL || !text_is_made_of(in->code, TEXT_ID, 1, INVITE_CODE_MAX)) {
        request_fail(request, MK_BAD_REQUEST, "code", 0);
        return;
    }
    if (!take_csr(request, in->has_csr, &in->csr)) return;
    Mykey__Registry__EnrolRequest out = MYKEY__REGISTRY__ENROL_REQUEST__INIT;
    out.code = in->code;
    out.has_csr = true;
    out.csr = in->csr;
    upstream_call call = {.service = "registry",
                          .method = "Enrol",
                          .reply_type = &mykey__registry__enrol_reply__descriptor,
                          .fn = enrolled};
    upstream_send(request, &call, &out.base);
}

static void result_replied(request_t *request, const ProtobufCMessage *message)
{
    const Mykey__Registry__EnrolResultReply *in = (const Mykey__Registry__EnrolResultReply *)message;
    Mykey__Terminal__Enrolled reply = MYKEY__TERMINAL__ENROLLED__INIT;
    reply.has_certificate = in->has_certificate;
    reply.certificate = in->certificate;
    reply.has_authority = in->has_authority;
    reply.authority = in->authority;
    request_answer(request, &reply.base);
}

void handle_enrol_result(request_t *request)
{
    const Mykey__Terminal__EnrolResult *in = (const Mykey__Terminal__EnrolResult *)request_message(request);
    if (!in->has_enrolment_id || in->enrolment_id.len == 0 || in->enrolment_id.len > 32) {
        request_fail(request, MK_BAD_REQUEST, "enrolment_id", 0);
        return;
    }
    Mykey__Registry__EnrolResultRequest out = MYKEY__REGISTRY__ENROL_RESULT_REQUEST__INIT;
    out.has_enrolment_id = true;
    out.enrolment_id = in->enrolment_id;
    upstream_call call = {.service = "registry",
                          .method = "EnrolResult",
                          .reply_type = &mykey__registry__enrol_result_reply__descriptor,
                          .repeatable = true,
                          .fn = result_replied};
    upstream_send(request, &call, &out.base);
}

static void renewed(request_t *request, const ProtobufCMessage *message)
{
    const Mykey__Registry__RenewReply *in = (const Mykey__Registry__RenewReply *)message;
    Mykey__Terminal__EnrolAccepted reply = MYKEY__TERMINAL__ENROL_ACCEPTED__INIT;
    reply.has_enrolment_id = in->has_enrolment_id;
    reply.enrolment_id = in->enrolment_id;
    reply.terminal_id = (char *)(uintptr_t)terminal_id(request_terminal(request));
    request_answer(request, &reply.base);
}

void handle_renew(request_t *request)
{
    const Mykey__Terminal__Renew *in = (const Mykey__Terminal__Renew *)request_message(request);
    if (!take_csr(request, in->has_csr, &in->csr)) return;
    Mykey__Registry__RenewRequest out = MYKEY__REGISTRY__RENEW_REQUEST__INIT;
    out.terminal_id = (char *)(uintptr_t)terminal_id(request_terminal(request));
    out.has_csr = true;
    out.csr = in->csr;
    upstream_call call = {.service = "registry",
                          .method = "Renew",
                          .reply_type = &mykey__registry__renew_reply__descriptor,
                          .fn = renewed};
    upstream_send(request, &call, &out.base);
}
