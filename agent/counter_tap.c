/* SPDX-License-Identifier: Apache-2.0 */
/* The tap: card, PIN, challenge, signature, answer (docs/tap.md). */
#include <stdlib.h>
#include <string.h>

#include "agent/counter_private.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "common/pb/pb.h"

enum { CHALLENGE_MS = 4000, TAP_MS = 9000 };

/* ---- card and PIN ---- */

void tap_begin(counter_t *self)
{
    self->fresh = false;
    if (!self->flow.keep_request_id) bytes_random(self->flow.request_id, sizeof self->flow.request_id);
    self->flow.challenges = 0;
    self->flow.phase = PHASE_NONE;
    self->flow.last_confirmed = false;
    pin_wipe(self->pin);
    counter_enter(self, STATE_READING);
    self->ports.order_card(self->ports.arg, CARD_OPEN, NULL, 0);
}

static bool is_about_the_reader(problem_t problem)
{
    return problem == PROBLEM_READER_BUSY || problem == PROBLEM_READER_MISSING ||
           problem == PROBLEM_READER_SERVICE_DOWN;
}

/* What somebody agreed to and staff confirmed is not carried over to the next person's card. */
static bool is_another_card(flow_t *flow)
{
    uint8_t digest[BYTES_SHA256_SIZE];
    bytes_sha256(flow->certificate, flow->certificate_size, digest);
    if (flow->has_card) return memcmp(digest, flow->card_sha256, sizeof digest) != 0;
    memcpy(flow->card_sha256, digest, sizeof digest);
    flow->has_card = true;
    return false;
}

static void begin_anew(counter_t *self)
{
    counter_reset(self);
    self->fresh = true;
    counter_settle(self);
}

problem_t tap_opened(counter_t *self, const event_args *args)
{
    const card_report *report = args->report;
    if (is_about_the_reader(report->problem)) {
        /* It recovers by itself, and the card then counts as set anew. */
        self->reader = report->problem;
        self->fresh = true;
        counter_settle(self);
        return MK_OK;
    }
    problem_t problem = report->problem;
    if (!problem && (report->size == 0 || report->size > sizeof self->flow.certificate))
        problem = PROBLEM_CARD_UNREADABLE;
    if (!problem && report->tries == 0) problem = PROBLEM_PIN_BLOCKED;
    if (problem) {
        counter_fail(self, problem);
        return MK_OK;
    }
    memcpy(self->flow.certificate, report->data, report->size);
    self->flow.certificate_size = report->size;
    if (is_another_card(&self->flow)) {
        begin_anew(self);
        return MK_OK;
    }
    self->flow.tries = report->tries;
    counter_enter(self, STATE_PIN);
    return MK_OK;
}

/* Before the last try the resident has said that they know it is the last. */
static bool may_type(const counter_t *self)
{
    return self->flow.tries > 1 || self->flow.last_confirmed;
}

problem_t tap_confirm_last(counter_t *self, const event_args *args)
{
    (void)args;
    if (may_type(self)) return MK_CONFLICT;
    self->flow.last_confirmed = true;
    return MK_OK;
}

problem_t tap_pin_digit(counter_t *self, const event_args *args)
{
    if (!may_type(self)) return MK_CONFLICT;
    if (!pin_push(self->pin, args->action->digit)) return MK_CONFLICT;
    counter_enter(self, STATE_PIN); /* somebody is there: the time limit starts again */
    return MK_OK;
}

problem_t tap_pin_clear(counter_t *self, const event_args *args)
{
    (void)args;
    pin_wipe(self->pin);
    return MK_OK;
}

problem_t tap_pin_submit(counter_t *self, const event_args *args)
{
    (void)args;
    if (!may_type(self)) return MK_CONFLICT;
    if (!pin_complete(self->pin)) return MK_BAD_REQUEST;
    self->flow.phase = PHASE_VERIFY;
    counter_enter(self, STATE_WORKING);
    self->ports.order_card(self->ports.arg, CARD_VERIFY, NULL, 0);
    return MK_OK;
}

/* ---- challenge ---- */

static statement_fields own_fields(const counter_t *self)
{
    statement_fields own = {.environment = self->options.environment,
                            .origin = self->options.origin,
                            .identity = self->options.identity,
                            .purpose = counter_purpose(self)};
    memcpy(own.request_id, self->flow.request_id, sizeof own.request_id);
    own.has_object = own.purpose == MYKEY__PURPOSE__PURPOSE_LINK || own.purpose == MYKEY__PURPOSE__PURPOSE_CREATE_ID;
    if (own.purpose == MYKEY__PURPOSE__PURPOSE_LINK)
        tap_object_link(own.identity->operator_id, self->flow.scanned, self->flow.terms_version, own.object);
    if (own.purpose == MYKEY__PURPOSE__PURPOSE_CREATE_ID) tap_object_terms(self->flow.terms_version, own.object);
    return own;
}

static void ask_challenge(counter_t *self)
{
    statement_fields own = own_fields(self);
    Mykey__Terminal__ChallengeRequest request = MYKEY__TERMINAL__CHALLENGE_REQUEST__INIT;
    request.has_purpose = true;
    request.purpose = own.purpose;
    request.audience = (char *)own.identity->operator_id;
    request.has_object = own.has_object;
    request.object.data = own.object;
    request.object.len = own.has_object ? sizeof own.object : 0;
    request.has_request_id = true;
    request.request_id.data = own.request_id;
    request.request_id.len = sizeof own.request_id;
    request.has_assurance = true;
    request.assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
    self->flow.phase = PHASE_CHALLENGE;
    self->flow.challenges++;
    if (!self->ports.send(self->ports.arg, "/v1/challenge", &request.base, NULL, CHALLENGE_MS))
        counter_fail(self, MK_BUSY);
}

problem_t tap_verified(counter_t *self, const event_args *args)
{
    problem_t problem = args->report->problem;
    if (self->flow.phase != PHASE_VERIFY) return MK_OK;
    if (problem == MK_OK) {
        ask_challenge(self);
        return MK_OK;
    }
    counter_fail(self, problem);
    if (problem == PROBLEM_PIN_WRONG) {
        self->flow.tries = args->report->tries;
        self->error.tries = args->report->tries;
    }
    return MK_OK;
}

static problem_t take_challenge(counter_t *self, const uplink_answer *answer)
{
    uint8_t canonical[TAP_CANONICAL_MAX];
    size_t size = 0;
    const char *detail = NULL;
    DEFER_PB(Mykey__Terminal__Challenge, challenge) = NULL;
    MK_TRY(pb_unpack(&mykey__terminal__challenge__descriptor, answer->body, answer->size,
                     (ProtobufCMessage **)&challenge));
    if (!challenge->statement || !challenge->gateway ||
        !text_is_made_of(challenge->gateway, TEXT_ID "._:", 1, GATEWAY_SIZE - 1))
        return MK_BAD_REQUEST;
    statement_fields own = own_fields(self);
    problem_t problem = statement_compose(&own, challenge->statement, clock_wall_ms(), canonical, &size, &detail);
    if (problem) {
        log_error("challenge_refused", LOG_TEXT(CODE, problem_name(problem)), LOG_TEXT(DETAIL, detail));
        return problem;
    }
    memcpy(self->flow.nonce, challenge->statement->nonce.data, sizeof self->flow.nonce);
    memcpy(self->flow.gateway, challenge->gateway, strlen(challenge->gateway) + 1);
    self->flow.phase = PHASE_SIGN;
    self->ports.order_card(self->ports.arg, CARD_SIGN, canonical, size);
    return MK_OK;
}

/* ---- tap ---- */

problem_t tap_signed(counter_t *self, const event_args *args)
{
    const card_report *report = args->report;
    const flow_t *flow = &self->flow;
    if (flow->phase != PHASE_SIGN) return MK_OK;
    if (report->problem) {
        counter_fail(self, report->problem);
        return MK_OK;
    }
    Mykey__Registry__StaffConfirmation staff = MYKEY__REGISTRY__STAFF_CONFIRMATION__INIT;
    Mykey__Terminal__TapRequest request = MYKEY__TERMINAL__TAP_REQUEST__INIT;
    request.has_nonce = request.has_certificate = request.has_signature = true;
    request.nonce = (ProtobufCBinaryData){sizeof flow->nonce, (uint8_t *)flow->nonce};
    request.certificate = (ProtobufCBinaryData){flow->certificate_size, (uint8_t *)flow->certificate};
    request.signature = (ProtobufCBinaryData){report->size, (uint8_t *)report->data};
    if (flow->terms_accepted) request.terms_version = (char *)flow->terms_version;
    if (counter_purpose(self) == MYKEY__PURPOSE__PURPOSE_LINK) {
        staff.scanned_customer_id = (char *)flow->scanned;
        staff.has_confirmed = true;
        staff.confirmed = flow->staff_confirmed;
        request.customer_id = (char *)flow->scanned;
        request.staff = &staff;
    }
    self->flow.phase = PHASE_TAP;
    self->flow.keep_request_id = true;
    if (!self->ports.send(self->ports.arg, "/v1/tap", &request.base, flow->gateway, TAP_MS))
        counter_fail(self, MK_BUSY);
    return MK_OK;
}

static void copy_text(char *out, size_t cap, const char *text)
{
    if (!text || strlen(text) >= cap) return;
    memcpy(out, text, strlen(text) + 1);
}

static void wipe_text(char *text)
{
    if (text) bytes_wipe(text, strlen(text));
}

static void take_texts(flow_t *flow, const Mykey__Terminal__TapReply *reply)
{
    for (size_t i = 0; i < reply->n_customer_ids && flow->value_count < VALUES_MAX; i++) {
        size_t size = strlen(reply->customer_ids[i]);
        if (size > 0 && size <= NUMBER_MAX)
            copy_text(flow->values[flow->value_count++], NUMBER_MAX + 1, reply->customer_ids[i]);
        bytes_wipe(reply->customer_ids[i], size);
    }
    for (size_t i = 0; i < reply->n_notices && flow->notice_count < NOTICES_MAX; i++)
        if (text_is_made_of(reply->notices[i], TEXT_LOWER TEXT_DIGITS "_", 1, NOTICE_SIZE - 1))
            copy_text(flow->notices[flow->notice_count++], NOTICE_SIZE, reply->notices[i]);
    copy_text(flow->mykey_id, sizeof flow->mykey_id, reply->mykey_id);
    copy_text(flow->suspend_code, sizeof flow->suspend_code, reply->suspend_code);
    wipe_text(reply->mykey_id);
    wipe_text(reply->suspend_code);
}

static problem_t take_reply(counter_t *self, const uplink_answer *answer)
{
    DEFER_PB(Mykey__Terminal__TapReply, reply) = NULL;
    Mykey__Purpose purpose = counter_purpose(self);
    MK_TRY(pb_unpack(&mykey__terminal__tap_reply__descriptor, answer->body, answer->size, (ProtobufCMessage **)&reply));
    MK_ENSURE(!reply->has_purpose || reply->purpose == purpose, MK_BAD_REQUEST);
    take_texts(&self->flow, reply);
    log_info("tap_done", LOG_TEXT(PURPOSE, tap_purpose_name(purpose)));
    if (purpose != MYKEY__PURPOSE__PURPOSE_RESOLVE)
        counter_enter(self, STATE_DONE);
    else if (self->flow.value_count == 0)
        counter_enter(self, STATE_NOT_REGISTERED);
    else
        staff_show_number(self);
    return MK_OK;
}

static void unpower(counter_t *self)
{
    pin_wipe(self->pin);
    bytes_wipe(self->flow.certificate, sizeof self->flow.certificate);
    self->flow.certificate_size = 0;
    self->flow.phase = PHASE_NONE;
    self->flow.from_card = true;
    self->ports.order_card(self->ports.arg, CARD_CLOSE, NULL, 0);
}

/* Did the platform certainly not do it, or certainly say what came of it? */
static bool is_definite(problem_t problem)
{
    return problem != PROBLEM_NETWORK_DOWN && problem != MK_DEADLINE_EXCEEDED && problem != MK_UNAVAILABLE &&
           problem != MK_INTERNAL;
}

/* The last number here was undone by staff: the holder is told, though there is nothing else to answer. */
static void take_notice(flow_t *flow, const char *detail)
{
    if (strcmp(detail, "link_undone") == 0) copy_text(flow->notices[flow->notice_count++], NOTICE_SIZE, detail);
}

static void refuse(counter_t *self, const uplink_answer *answer, problem_t problem)
{
    bool resolving = counter_purpose(self) == MYKEY__PURPOSE__PURPOSE_RESOLVE;
    if (problem == MK_NOT_LINKED && resolving && !self->flow.staff_act) {
        unpower(self);
        take_notice(&self->flow, answer->detail);
        counter_enter(self, STATE_NOT_REGISTERED);
        return;
    }
    if (problem == MK_TERMS_OUTDATED) self->ports.refresh(self->ports.arg);
    counter_fail(self, problem);
    memcpy(self->error.incident, answer->incident, sizeof self->error.incident);
    /* Nothing is tried again by itself here: a wait is told only to who may press "retry". */
    if (problem_retry(problem)) self->error.wait_s = (answer->retry_after_ms + 999) / 1000;
}

problem_t tap_answered(counter_t *self, const event_args *args)
{
    const uplink_answer *answer = args->answer;
    problem_t problem = answer->problem;
    counter_phase phase = self->flow.phase;
    if (phase == PHASE_TAP && is_definite(problem)) self->flow.keep_request_id = false;
    bool lapsed = problem == MK_CHALLENGE_GONE || problem == MK_CHALLENGE_EXPIRED;
    if (phase == PHASE_TAP && lapsed && self->flow.challenges < CHALLENGES_MAX) {
        ask_challenge(self);
        return MK_OK;
    }
    if (!problem && phase == PHASE_CHALLENGE) problem = take_challenge(self, answer);
    if (!problem && phase == PHASE_TAP) {
        unpower(self);
        problem = take_reply(self, answer);
    }
    if (!problem && phase == PHASE_STAFF) {
        self->flow.phase = PHASE_NONE;
        counter_enter(self, STATE_DONE);
    }
    if (problem) refuse(self, answer, problem);
    return MK_OK;
}
