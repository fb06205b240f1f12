/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/tap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/pb/pb.h"
#include "common/tap/tap.h"
#include "proto/terminal.pb-c.h"

enum { REQUEST_ID_SIZE = 16, GATEWAY_MAX = 64 };

struct tap {
    line_t *line;
    const terminal_t *terminal;
    tap_platform *platform;
    card_t *card;
    tap_step step;
    tap_times times;
    uint64_t step_us; /* when the present step began */
    uint64_t request_id[REQUEST_ID_SIZE / sizeof(uint64_t)];
    Mykey__Terminal__Challenge *challenge; /* while it is needed */
    uint8_t signature[CARD_SIGNATURE_SIZE];
};

/* ---- answers ---- */

static outcome_t read_error(const answer_t *answer)
{
    ProtobufCMessage *message = NULL;
    outcome_t outcome = OUTCOME_BODY;
    if (pb_unpack(&mykey__terminal__error_body__descriptor, answer->body, answer->body_size, &message) != MK_OK)
        return outcome;
    const Mykey__Terminal__ErrorBody *error = (const Mykey__Terminal__ErrorBody *)message;
    if (error->has_code && error->code != MK_OK) outcome = (outcome_t)mk_code_find(error->code)->code;
    pb_free(message);
    assert(outcome != OUTCOME_OK);
    return outcome;
}

/* The message of a 200 of the gateway's. An answer that doesn't name a gateway came from something on the way. */
static outcome_t read_answer(const answer_t *answer, const ProtobufCMessageDescriptor *type,
                             ProtobufCMessage **ret_message)
{
    if (!answer->gateway) return OUTCOME_HTTP;
    if (answer->status != 200) return read_error(answer);
    if (pb_unpack(type, answer->body, answer->body_size, ret_message) != MK_OK) return OUTCOME_BODY;
    return OUTCOME_OK;
}

/* ---- the platform ---- */

void tap_ask_platform(line_t *line)
{
    line_request request = {.method = "GET", .path = "/v1/terminal"};
    line_send(line, &request);
}

static bool copy_text(char *out, size_t cap, const char *text)
{
    if (!text || strlen(text) >= cap) return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

outcome_t tap_read_platform(tap_platform *platform, const answer_t *answer)
{
    DEFER_PB(Mykey__Terminal__TerminalInfo, info) = NULL;
    outcome_t outcome = read_answer(answer, &mykey__terminal__terminal_info__descriptor, (ProtobufCMessage **)&info);
    if (outcome != OUTCOME_OK) return outcome;
    if (!copy_text(platform->environment, sizeof platform->environment, info->environment) ||
        !copy_text(platform->origin, sizeof platform->origin, info->origin))
        return OUTCOME_BODY;
    return OUTCOME_OK;
}

/* ---- the challenge ---- */

static ProtobufCBinaryData own_request_id(tap_t *self)
{
    return (ProtobufCBinaryData){REQUEST_ID_SIZE, (uint8_t *)self->request_id};
}

void tap_begin(tap_t *self, card_t *card, uint64_t arrival_us)
{
    Mykey__Terminal__ChallengeRequest message = MYKEY__TERMINAL__CHALLENGE_REQUEST__INIT;
    line_request request = {.method = "POST", .path = "/v1/challenge", .message = &message.base};
    self->card = card;
    self->times = (tap_times){.arrival = arrival_us};
    self->request_id[0] = dice_next(&self->platform->ids);
    self->request_id[1] = dice_next(&self->platform->ids);
    message.has_purpose = message.has_request_id = message.has_assurance = 1;
    message.purpose = MYKEY__PURPOSE__PURPOSE_RESOLVE;
    message.audience = (char *)self->platform->operator_id;
    message.request_id = own_request_id(self);
    message.assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
    self->step = TAP_CHALLENGE;
    self->step_us = clock_mono_us();
    line_send(self->line, &request);
}

/* Our own statement: theirs gives the nonce and the times only. */
static Mykey__TapStatement own_statement(tap_t *self, const Mykey__TapStatement *theirs)
{
    Mykey__TapStatement mine = MYKEY__TAP_STATEMENT__INIT;
    mine.has_version = mine.has_terminal_key_sha256 = mine.has_purpose = mine.has_request_id = mine.has_assurance = 1;
    mine.version = TAP_VERSION;
    mine.environment = self->platform->environment;
    mine.terminal_id = (char *)self->terminal->id;
    mine.terminal_key_sha256 = (ProtobufCBinaryData){32, (uint8_t *)self->terminal->key_sha256};
    mine.origin = self->platform->origin;
    mine.purpose = MYKEY__PURPOSE__PURPOSE_RESOLVE;
    mine.audience = (char *)self->platform->operator_id;
    mine.request_id = own_request_id(self);
    mine.assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
    tap_statement_take_given(&mine, theirs);
    return mine;
}

/* The gateway's name goes back in a header. */
static bool is_gateway(const char *name)
{
    return name && text_is_made_of(name, TEXT_ID "._", 1, GATEWAY_MAX);
}

static outcome_t take_challenge(tap_t *self, const answer_t *answer)
{
    ProtobufCMessage *message = NULL;
    outcome_t outcome = read_answer(answer, &mykey__terminal__challenge__descriptor, &message);
    if (outcome != OUTCOME_OK) return outcome;
    self->challenge = (Mykey__Terminal__Challenge *)message;
    if (!self->challenge->statement || !is_gateway(self->challenge->gateway)) return OUTCOME_BODY;
    Mykey__TapStatement mine = own_statement(self, self->challenge->statement);
    if (tap_statement_same(&mine, self->challenge->statement, NULL) != MK_OK) return OUTCOME_STATEMENT;
    self->step = TAP_TO_SIGN;
    return OUTCOME_OK;
}

/* ---- signature and redemption ---- */

outcome_t tap_sign(tap_t *self)
{
    uint8_t digest[TAP_DIGEST_SIZE];
    Mykey__TapStatement mine = own_statement(self, self->challenge->statement);
    if (tap_statement_digest(&mine, digest) != MK_OK) return OUTCOME_STATEMENT; /* checks each field's range */
    if (!card_sign(self->card, digest, self->signature)) return OUTCOME_SIGN;
    uint64_t now = clock_mono_us();
    self->times.sign = now - self->step_us;
    self->step = TAP_SIGNED;
    return OUTCOME_OK;
}

void tap_redeem(tap_t *self)
{
    Mykey__Terminal__TapRequest message = MYKEY__TERMINAL__TAP_REQUEST__INIT;
    line_request request = {
        .method = "POST", .path = "/v1/tap", .gateway = self->challenge->gateway, .message = &message.base};
    message.has_nonce = message.has_certificate = message.has_signature = 1;
    message.nonce = self->challenge->statement->nonce;
    message.certificate.data = (uint8_t *)card_certificate(self->card, &message.certificate.len);
    message.signature = (ProtobufCBinaryData){sizeof self->signature, self->signature};
    self->step = TAP_REDEEM;
    self->step_us = clock_mono_us();
    line_send(self->line, &request);
}

static outcome_t take_reply(const tap_t *self, const answer_t *answer)
{
    DEFER_PB(Mykey__Terminal__TapReply, reply) = NULL;
    outcome_t outcome = read_answer(answer, &mykey__terminal__tap_reply__descriptor, (ProtobufCMessage **)&reply);
    if (outcome != OUTCOME_OK) return outcome;
    if (reply->n_customer_ids != 1 || strcmp(reply->customer_ids[0], card_expected(self->card)) != 0)
        return OUTCOME_WRONG;
    return OUTCOME_OK;
}

/* ---- life ---- */

outcome_t tap_take_answer(tap_t *self, const answer_t *answer)
{
    uint64_t now = clock_mono_us(), took = now - self->step_us;
    self->step_us = now;
    if (self->step == TAP_CHALLENGE) {
        self->times.challenge = took;
        outcome_t outcome = take_challenge(self, answer);
        if (outcome != OUTCOME_OK) tap_drop(self);
        return outcome;
    }
    self->times.redeem = took;
    self->times.whole = now - self->times.arrival;
    outcome_t outcome = take_reply(self, answer);
    tap_drop(self);
    return outcome;
}

void tap_drop(tap_t *self)
{
    if (self->challenge) pb_free(&self->challenge->base);
    self->challenge = NULL;
    self->step = TAP_IDLE;
}

tap_step tap_get_step(const tap_t *self)
{
    return self->step;
}

const tap_times *tap_get_times(const tap_t *self)
{
    return &self->times;
}

tap_t *tap_new(line_t *line, const terminal_t *terminal, tap_platform *platform)
{
    tap_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    self->line = line;
    self->terminal = terminal;
    self->platform = platform;
    return self;
}

void tap_destroy(tap_t **self_p)
{
    if (!*self_p) return;
    tap_drop(*self_p);
    free(*self_p);
    *self_p = NULL;
}
