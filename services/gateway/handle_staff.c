/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/undo-link and /v1/suspend: acts of an operator's staff. Who asks is what the certificate says, never the
 * body. */
#include "proto/terminal.pb-c.h"
#include "services/gateway/route.h"
#include "services/gateway/upstream.h"

static void done(request_t *request, const ProtobufCMessage *message)
{
    (void)message;
    Mykey__Terminal__Done reply = MYKEY__TERMINAL__DONE__INIT;
    request_answer(request, &reply.base);
}

void handle_undo_link(request_t *request)
{
    const Mykey__Terminal__UndoLink *in = (const Mykey__Terminal__UndoLink *)request_message(request);
    const terminal_t *terminal = request_terminal(request);
    if (in->customer_id == NULL || in->reason == NULL) {
        request_fail(request, MK_BAD_REQUEST, in->reason == NULL ? "reason" : "customer_id", 0);
        return;
    }
    Mykey__Registry__UndoLinkRequest out = MYKEY__REGISTRY__UNDO_LINK_REQUEST__INIT;
    out.operator_id = (char *)(uintptr_t)terminal_operator_id(terminal);
    out.terminal_id = (char *)(uintptr_t)terminal_id(terminal);
    out.customer_id = in->customer_id;
    out.reason = in->reason;
    upstream_call call = {.service = "registry",
                          .method = "UndoLink",
                          .reply_type = &mykey__registry__undo_link_reply__descriptor,
                          .fn = done};
    upstream_send(request, &call, &out.base);
}

void handle_suspend(request_t *request)
{
    const Mykey__Terminal__Suspend *in = (const Mykey__Terminal__Suspend *)request_message(request);
    const terminal_t *terminal = request_terminal(request);
    if (terminal_operator(terminal)->kind != MYKEY__REGISTRY__OPERATOR_KIND__OPERATOR_KIND_MUNICIPALITY) {
        request_fail(request, MK_OPERATOR_KIND, NULL, 0);
        return;
    }
    if (in->suspend_code == NULL) {
        request_fail(request, MK_BAD_REQUEST, "suspend_code", 0);
        return;
    }
    Mykey__Registry__SuspendRequest out = MYKEY__REGISTRY__SUSPEND_REQUEST__INIT;
    out.operator_id = (char *)(uintptr_t)terminal_operator_id(terminal);
    out.terminal_id = (char *)(uintptr_t)terminal_id(terminal);
    out.suspend_code = in->suspend_code;
    upstream_call call = {.service = "registry",
                          .method = "Suspend",
                          .reply_type = &mykey__registry__suspend_reply__descriptor,
                          .fn = done};
    upstream_send(request, &call, &out.base);
}
