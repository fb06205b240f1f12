/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked of jpki-verify, a message with any answer of the parser (the first byte: which check failed). A
 * ticket is made only for a statement of this environment, of now, with a PIN, for a consumer that has keys; and it
 * says what the statement said. Parsers: services/jpki-verify/verify.c common/tap/tap.c common/ticket/ticket.c */
#include "tests/fuzz/fuzz.h"

#include "common/base/clock.h"
#include "common/bus/bus.h"
#include "common/keyfile/keyfile.c"
#include "common/pb/pb.h"
#include "proto/jpki.pb-c.h"

enum { NOW_MS = 1000000 };

static const Mykey__Jpki__VerifyRequest *asked_for;
static unsigned answers, parsed;
static uint8_t parser_says;

static const ProtobufCMessage *fuzz_message(const bus_job_t *job)
{
    (void)job;
    return &asked_for->base;
}

static void fuzz_reply(bus_job_t *job, mk_code code, const char *detail, const ProtobufCMessage *message);

#define clock_wall_ms() ((uint64_t)NOW_MS)
#define bus_job_message fuzz_message
#define bus_job_reply fuzz_reply
#define checker_submit fuzz_submit
#include "services/jpki-verify/checker.h"
#include "services/jpki-verify/verify.c"

static const keyring_t *get_ring(void)
{
    static keyring_t ring;
    char text[] = "1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    if (ring.count == 0) HOLDS(parse(text, &ring) == NULL);
    return &ring;
}

static void check_statement_of(const Mykey__TapTicket *ticket)
{
    const Mykey__TapStatement *statement = asked_for->statement;
    HOLDS(strcmp(statement->environment, "test") == 0 && statement->expires_at_ms > NOW_MS);
    HOLDS(statement->issued_at_ms <= NOW_MS + CLOCK_SLACK_MS);
    HOLDS(statement->expires_at_ms <= NOW_MS + CLOCK_SLACK_MS + TAP_CHALLENGE_LIFE_MS);
    HOLDS(statement->assurance == MYKEY__ASSURANCE__ASSURANCE_PIN && ticket->assurance == statement->assurance);
    HOLDS(ticket->purpose == statement->purpose && strcmp(ticket->audience, statement->audience) == 0);
    HOLDS(strcmp(ticket->terminal_id, statement->terminal_id) == 0 && ticket->amount == statement->amount);
    HOLDS(ticket->object.len == statement->object.len);
    HOLDS(ticket->object.len == 0 || memcmp(ticket->object.data, statement->object.data, ticket->object.len) == 0);
    HOLDS(memcmp(ticket->request_id.data, statement->request_id.data, ticket->request_id.len) == 0);
}

static void fuzz_reply(bus_job_t *job, mk_code code, const char *detail, const ProtobufCMessage *message)
{
    (void)job;
    HOLDS(++answers == 1 && (code == MK_OK) == (message != NULL) && (code == MK_OK) == (detail == NULL));
    if (code != MK_OK) return;
    const ProtobufCBinaryData *sealed = &((const Mykey__Jpki__VerifyReply *)message)->ticket;
    Mykey__TapTicket *ticket = NULL;
    HOLDS(parsed == 1 && parser_says == CHECK_PASSED && strcmp(asked_for->consumer, "registry") == 0);
    HOLDS(ticket_open(get_ring(), "registry", sealed->data, sealed->len, NOW_MS, &ticket) == MK_OK);
    check_statement_of(ticket);
    pb_free(&ticket->base);
}

/* The parser is asked for what lies within its bounds, and answers as the input says. */
void checker_submit(checker_t *self, const checker_request *asked, checker_fn *fn, void *arg)
{
    static const uint8_t bytes[] = "issuer and serial";
    (void)self;
    HOLDS(asked->certificate.size >= 1 && asked->certificate.size <= PROFILE_CERTIFICATE_MAX);
    HOLDS(asked->signature.size >= 1 && asked->signature.size <= PROFILE_SIGNATURE_MAX && asked->digest != NULL);
    checker_answer answer = {.check = parser_says};
    if (parser_says == CHECK_PASSED) answer.issuer = (der_t){bytes, 6}, answer.serial = (der_t){bytes + 11, 4};
    parsed++;
    fn(&answer, arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static verify_t *verify;
    static verify_consumer registry = {.name = "registry"};
    ProtobufCMessage *message = NULL;
    if (verify == NULL) {
        registry.keys = get_ring();
        verify = verify_new(&(verify_options){"test", get_ring(), &registry, 1, NULL, metrics_new()});
    }
    if (size == 0 || pb_unpack(&mykey__jpki__verify_request__descriptor, data + 1, size - 1, &message) != MK_OK)
        return 0;
    asked_for = (const Mykey__Jpki__VerifyRequest *)message;
    parser_says = data[0] % (CHECK_COUNT_ + 1);
    answers = parsed = 0;
    verify_service(verify)->methods[0].handle(NULL, verify);
    HOLDS(answers == 1);
    pb_free(message);
    return 0;
}
