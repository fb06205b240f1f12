/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/tap: the challenge is consumed first, whatever comes of it; then jpki-verify makes a ticket of what the card
 * signed, and the registry does, on that ticket alone, what the purpose says. */
#include <string.h>

#include "common/base/clock.h"
#include "proto/jpki.pb-c.h"
#include "proto/terminal.pb-c.h"
#include "services/gateway/purpose.h"
#include "services/gateway/route.h"
#include "services/gateway/upstream.h"

enum { CERTIFICATE_MAX = 8192, SIGNATURE_MAX = 512, VERIFY_TIMEOUT_MS = 4000 };

typedef Mykey__Terminal__TapRequest tap_t;

typedef struct tap_state {
    challenge challenge;
    const purpose_row *row;
} tap_state_t;

static void registry_replied(request_t *request, const ProtobufCMessage *message)
{
    const tap_state_t *state = request_state(request);
    Mykey__Terminal__TapReply reply;
    purpose_make_reply(state->row, message, &reply);
    request_answer(request, &reply.base);
}

static void verified(request_t *request, const ProtobufCMessage *message)
{
    const tap_state_t *state = request_state(request);
    const Mykey__Jpki__VerifyReply *reply = (const Mykey__Jpki__VerifyReply *)message;
    purpose_request out;
    if (!reply->has_ticket) {
        request_fail(request, MK_INTERNAL, "ticket", 0);
        return;
    }
    purpose_make_request(state->row, (const tap_t *)request_message(request), reply->ticket, &out);
    upstream_call call = {.service = "registry",
                          .method = state->row->method,
                          .reply_type = state->row->reply_type,
                          .idempotency_key = state->row->changes ? state->challenge.request_id : NULL,
                          .repeatable = !state->row->changes,
                          .fn = registry_replied};
    upstream_send(request, &call, &out.base);
}

/* The statement is rebuilt from our own record: nothing of it comes with the tap. */
static void verify(request_t *request, const tap_t *tap)
{
    const tap_state_t *state = request_state(request);
    const gateway_settings *settings = request_gateway(request)->settings;
    Mykey__TapStatement statement;
    Mykey__Jpki__VerifyRequest out = MYKEY__JPKI__VERIFY_REQUEST__INIT;
    challenge_statement(&state->challenge, settings->environment, settings->origin, &statement);
    out.statement = &statement;
    out.has_certificate = out.has_signature = true;
    out.certificate = tap->certificate;
    out.signature = tap->signature;
    out.consumer = (char *)(uintptr_t) "registry";
    upstream_call call = {.service = "jpki",
                          .method = "Verify",
                          .reply_type = &mykey__jpki__verify_reply__descriptor,
                          .repeatable = true,
                          .timeout_max_ms = VERIFY_TIMEOUT_MS,
                          .fn = verified};
    upstream_send(request, &call, &out.base);
}

/* NULL, or what is not in its range. */
static const char *find_fault(const tap_t *tap)
{
    if (!tap->has_nonce || tap->nonce.len != CHALLENGE_NONCE_SIZE) return "nonce";
    if (!tap->has_certificate || tap->certificate.len == 0 || tap->certificate.len > CERTIFICATE_MAX) {
        return "certificate";
    }
    if (!tap->has_signature || tap->signature.len == 0 || tap->signature.len > SIGNATURE_MAX) return "signature";
    return NULL;
}

void handle_tap(request_t *request)
{
    gateway_t *gateway = request_gateway(request);
    const tap_t *tap = (const tap_t *)request_message(request);
    const char *fault = find_fault(tap);
    if (fault != NULL) {
        request_fail(request, MK_BAD_REQUEST, fault, 0);
        return;
    }
    tap_state_t *state = request_make_state(request, sizeof *state);
    mk_code code = challenge_store_take(gateway->challenges, tap->nonce.data, terminal_id(request_terminal(request)),
                                        clock_mono_ms(), &state->challenge);
    metric_add(gateway->stats.challenges_taken, 1, mk_code_name(code), NULL, NULL, NULL);
    if (code != MK_OK) {
        request_fail(request, code, "nonce", 0);
        return;
    }
    state->row = purpose_find(state->challenge.purpose);
    request_set_purpose(request, state->row->name);
    verify(request, tap);
}
