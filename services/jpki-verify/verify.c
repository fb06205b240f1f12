/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/verify.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/tap/tap.h"
#include "common/ticket/ticket.h"
#include "proto/jpki.pb-c.h"

enum { CLOCK_SLACK_MS = 5000 }; /* between the gateway's host and this one */

struct verify {
    verify_options options;
    bus_method methods[1];
    bus_service service;
    metric_t *results, *seconds;
};

typedef struct tap {
    verify_t *verify;
    bus_job_t *job;
    uint64_t begun_us;
    const Mykey__Jpki__VerifyRequest *request; /* the job's */
    const verify_consumer *consumer;
} tap_t;

/* ---- the request's rows ---- */

static bool check_statement(tap_t *tap)
{
    const Mykey__TapStatement *statement = tap->request->statement;
    return statement != NULL && tap_statement_check(statement, NULL) == MK_OK;
}

static bool check_consumer(tap_t *tap)
{
    const verify_options *options = &tap->verify->options;
    const char *name = tap->request->consumer;
    for (size_t i = 0; name != NULL && i < options->consumer_count; i++) {
        if (strcmp(options->consumers[i].name, name) == 0) tap->consumer = &options->consumers[i];
    }
    return tap->consumer != NULL;
}

static bool check_environment(tap_t *tap)
{
    return strcmp(tap->request->statement->environment, tap->verify->options.environment) == 0;
}

static bool check_assurance(tap_t *tap)
{
    return tap->request->statement->assurance == MYKEY__ASSURANCE__ASSURANCE_PIN;
}

static bool check_expiry(tap_t *tap)
{
    const Mykey__TapStatement *statement = tap->request->statement;
    uint64_t now_ms = clock_wall_ms();
    return now_ms < statement->expires_at_ms && statement->issued_at_ms <= now_ms + CLOCK_SLACK_MS &&
           statement->expires_at_ms <= now_ms + CLOCK_SLACK_MS + TAP_CHALLENGE_LIFE_MS;
}

static bool check_size(tap_t *tap)
{
    return tap->request->certificate.len >= 1 && tap->request->certificate.len <= PROFILE_CERTIFICATE_MAX;
}

static bool check_signature_size(tap_t *tap)
{
    return tap->request->signature.len >= 1 && tap->request->signature.len <= PROFILE_SIGNATURE_MAX;
}

/* What the parser dies of is seen later, by the checker. */
static bool check_parser(tap_t *tap)
{
    (void)tap;
    return true;
}

static check_id check_request(tap_t *tap)
{
#define ROW(id, code, demand, source) {CHECK_##id, check_##id},
    static const struct {
        check_id id;
        bool (*holds)(tap_t *tap);
    } rows[] = {CHECK_REQUEST_TABLE(ROW)};
#undef ROW
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].holds(tap)) return rows[i].id;
    }
    return CHECK_PASSED;
}

/* ---- the ticket ---- */

static void put_part(uint8_t **at, der_t part)
{
    for (int shift = 24; shift >= 0; shift -= 8) *(*at)++ = (uint8_t)(part.size >> shift);
    memcpy(*at, part.data, part.size);
    *at += part.size;
}

/* docs/tap.md: HMAC(key, be32(len(issuer)) issuer be32(len(serial)) serial) */
static mk_code make_credential_id(const keyring_t *keys, const checker_answer *answer, uint8_t out[KEYFILE_MAC_SIZE])
{
    uint8_t text[4 + PROFILE_ISSUER_MAX + 4 + 8], *end = text;
    put_part(&end, answer->issuer);
    put_part(&end, answer->serial);
    mk_code code = keyring_mac(keys, keyring_newest(keys), text, (size_t)(end - text), out);
    bytes_wipe(text, sizeof text);
    return code;
}

static void copy_statement(const Mykey__TapStatement *from, Mykey__TapTicket *ticket)
{
    ticket->has_assurance = ticket->has_purpose = ticket->has_amount = ticket->has_request_id = true;
    ticket->assurance = from->assurance;
    ticket->purpose = from->purpose;
    ticket->audience = from->audience;
    ticket->terminal_id = from->terminal_id;
    ticket->has_object = from->has_object;
    ticket->object = from->object;
    ticket->amount = from->has_amount ? from->amount : 0;
    ticket->unit = from->unit;
    ticket->request_id = from->request_id;
}

static mk_code make_ticket(const tap_t *tap, const checker_answer *answer, uint8_t **ret_data, size_t *ret_size)
{
    const keyring_t *keys = tap->verify->options.credential_keys;
    uint8_t credential_id[KEYFILE_MAC_SIZE];
    Mykey__TapTicket ticket = MYKEY__TAP_TICKET__INIT;
    copy_statement(tap->request->statement, &ticket);
    MK_TRY(make_credential_id(keys, answer, credential_id));
    ticket.consumer = (char *)tap->consumer->name;
    ticket.has_credential_id = ticket.has_credential_key_version = ticket.has_expires_at_ms = true;
    ticket.credential_id = (ProtobufCBinaryData){sizeof credential_id, credential_id};
    ticket.credential_key_version = keyring_newest(keys);
    ticket.expires_at_ms = clock_wall_ms() + TICKET_LIFE_MS;
    return ticket_seal(tap->consumer->keys, &ticket, ret_data, ret_size);
}

/* ---- from request to reply ---- */

static void reply(tap_t *tap, mk_code code, const char *detail, const ProtobufCMessage *message)
{
    double seconds = (double)(clock_mono_us() - tap->begun_us) / 1e6;
    metric_add(tap->verify->results, 1, mk_code_name(code), detail, NULL, NULL);
    metric_observe(tap->verify->seconds, seconds, NULL, NULL, NULL, NULL);
    bus_job_reply(tap->job, code, detail, message);
    free(tap);
}

static void refuse(tap_t *tap, unsigned check)
{
    const check_info *info = check_find(check);
    reply(tap, info->code, info->id, NULL);
}

static void on_answer(const checker_answer *answer, void *arg)
{
    tap_t *tap = arg;
    uint8_t *data = NULL;
    size_t size;
    if (answer->check == CHECK_COUNT_) {
        reply(tap, MK_UNAVAILABLE, "parser", NULL);
        return;
    }
    if (answer->check != CHECK_PASSED) {
        refuse(tap, answer->check);
        return;
    }
    mk_code code = make_ticket(tap, answer, &data, &size);
    if (code != MK_OK) {
        reply(tap, code, "ticket", NULL);
        return;
    }
    Mykey__Jpki__VerifyReply message = MYKEY__JPKI__VERIFY_REPLY__INIT;
    message.has_ticket = true;
    message.ticket = (ProtobufCBinaryData){size, data};
    reply(tap, MK_OK, NULL, &message.base);
    free(data);
}

static void handle_verify(bus_job_t *job, void *ctx)
{
    tap_t *tap = calloc(1, sizeof *tap);
    if (tap == NULL) abort();
    *tap = (tap_t){.verify = ctx, .job = job, .begun_us = clock_mono_us()};
    tap->request = (const Mykey__Jpki__VerifyRequest *)bus_job_message(job);
    check_id failed = check_request(tap);
    uint8_t digest[TAP_DIGEST_SIZE];
    if (failed == CHECK_PASSED && tap_statement_digest(tap->request->statement, digest) != MK_OK) {
        failed = CHECK_statement;
    }
    if (failed != CHECK_PASSED) {
        refuse(tap, failed);
        return;
    }
    checker_request request = {
        .certificate = {tap->request->certificate.data, tap->request->certificate.len},
        .signature = {tap->request->signature.data, tap->request->signature.len},
        .digest = digest,
    };
    checker_submit(tap->verify->options.checker, &request, on_answer, tap);
}

/* ---- life ---- */

verify_t *verify_new(const verify_options *options)
{
    verify_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->options = *options;
    self->methods[0] = (bus_method){"Verify", handle_verify, &mykey__jpki__verify_request__descriptor};
    self->service = (bus_service){.name = "jpki",
                                  .api_major = 1,
                                  .credit = VERIFY_CREDIT,
                                  .methods = self->methods,
                                  .method_count = 1,
                                  .ctx = self};
    self->results = metrics_declare(options->metrics, METRIC_COUNTER, "mykey_jpki_verify_total",
                                    "Taps verified, by answer and failed check.", "result,check");
    self->seconds = metrics_declare(options->metrics, METRIC_HISTOGRAM, "mykey_jpki_verify_seconds",
                                    "Time from request to answer.", "");
    return self;
}

void verify_destroy(verify_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

const bus_service *verify_service(verify_t *self)
{
    return &self->service;
}
