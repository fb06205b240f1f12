/* SPDX-License-Identifier: Apache-2.0 */
/* What a card is to sign, and the ticket that is made of it: the first byte picks. Two statements (the first one's size
 * in two bytes) have the same canonical form only if no field differs; an agent composes only what it displays; a
 * ticket that opens was sealed by us. Parsers: common/tap/tap.c common/ticket/ticket.c agent/statement.c common/pb/pb.c
 */
#include "tests/fuzz/fuzz.h"

#include "agent/statement.h"
#include "common/keyfile/keyfile.c"
#include "common/pb/pb.h"
#include "common/tap/tap.h"
#include "common/ticket/ticket.h"

enum { NOW_MS = 1000000 };

/* ---- statements ---- */

static Mykey__TapStatement *read_statement(const uint8_t *data, size_t size)
{
    ProtobufCMessage *message = NULL;
    if (pb_unpack(&mykey__tap_statement__descriptor, data, size, &message) != MK_OK) return NULL;
    return (Mykey__TapStatement *)message;
}

static void check_pair(const Mykey__TapStatement *a, const Mykey__TapStatement *b)
{
    uint8_t first[TAP_CANONICAL_MAX], second[TAP_CANONICAL_MAX];
    size_t first_size = 0, second_size = 0;
    const char *why = NULL;
    HOLDS(tap_statement_same(a, a, NULL) == MK_OK);
    bool same = tap_statement_same(a, b, &why) == MK_OK;
    HOLDS(same == (why == NULL) && same == (tap_statement_same(b, a, NULL) == MK_OK));
    bool good = tap_statement_check(a, &why) == MK_OK;
    HOLDS(good == (tap_statement_canonical(a, first, &first_size) == MK_OK));
    if (!good || tap_statement_canonical(b, second, &second_size) != MK_OK) return;
    HOLDS(first_size <= sizeof first && second_size <= sizeof second);
    HOLDS(same == (first_size == second_size && memcmp(first, second, first_size) == 0));
}

/* What the agent displays: a link at library-1. What it composes is what the platform verifies, byte for byte. */
static void check_agent(const Mykey__TapStatement *theirs)
{
    static const profile_identity identity = {.terminal_id = "t-1", .operator_id = "library-1"};
    static const statement_fields own = {.environment = "dev",
                                         .origin = "https://edge.example",
                                         .identity = &identity,
                                         .purpose = MYKEY__PURPOSE__PURPOSE_LINK,
                                         .has_object = true};
    uint8_t mine[TAP_CANONICAL_MAX], canonical[TAP_CANONICAL_MAX];
    size_t mine_size = 0, size = 0;
    const char *why = NULL;
    problem_t problem = statement_compose(&own, theirs, NOW_MS, mine, &mine_size, &why);
    if (problem != MK_OK) return;
    HOLDS(tap_statement_canonical(theirs, canonical, &size) == MK_OK);
    HOLDS(mine_size == size && memcmp(mine, canonical, size) == 0);
    HOLDS(strcmp(theirs->terminal_id, "t-1") == 0 && strcmp(theirs->audience, "library-1") == 0);
    HOLDS(theirs->purpose == MYKEY__PURPOSE__PURPOSE_LINK && theirs->assurance == MYKEY__ASSURANCE__ASSURANCE_PIN);
    HOLDS(theirs->amount == 0 && theirs->issued_at_ms <= NOW_MS + STATEMENT_CLOCK_LIMIT_MS);
}

static void fuzz_statements(const uint8_t *data, size_t size)
{
    if (size < 2) return;
    size_t first = (size_t)data[0] << 8 | data[1];
    size -= 2;
    if (first > size) first = size;
    Mykey__TapStatement *a = read_statement(data + 2, first), *b = read_statement(data + 2 + first, size - first);
    if (a != NULL && b != NULL) check_pair(a, b);
    if (a != NULL) check_pair(a, a);
    if (a != NULL) check_agent(a);
    pb_free((ProtobufCMessage *)a);
    pb_free((ProtobufCMessage *)b);
}

/* ---- tickets ---- */

static const keyring_t *get_ring(void)
{
    static keyring_t ring;
    char text[] = "1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    if (ring.count == 0) HOLDS(parse(text, &ring) == NULL);
    return &ring;
}

/* As it came: nobody but us can have sealed it. */
static void fuzz_sealed(const uint8_t *data, size_t size)
{
    Mykey__TapTicket *ticket = NULL;
    mk_code code = ticket_open(get_ring(), "registry", data, size, NOW_MS, &ticket);
    HOLDS(code != MK_OK || ticket != NULL);
    if (ticket != NULL) pb_free(&ticket->base);
}

/* With our seal, what is in it is looked at. */
static void fuzz_ticket(const uint8_t *data, size_t size)
{
    ProtobufCMessage *message = NULL;
    Mykey__TapTicket *opened = NULL;
    uint8_t *sealed = NULL;
    size_t sealed_size = 0;
    if (pb_unpack(&mykey__tap_ticket__descriptor, data, size, &message) != MK_OK) return;
    if (ticket_seal(get_ring(), (Mykey__TapTicket *)message, &sealed, &sealed_size) == MK_OK) {
        if (ticket_open(get_ring(), "registry", sealed, sealed_size, NOW_MS, &opened) == MK_OK) {
            HOLDS(strcmp(opened->consumer, "registry") == 0 && opened->credential_id.len == 32);
            HOLDS(opened->expires_at_ms > NOW_MS && opened->expires_at_ms <= NOW_MS + TICKET_LIFE_MS + 2000);
            HOLDS(opened->assurance == MYKEY__ASSURANCE__ASSURANCE_PIN && opened->request_id.len == 16);
            pb_free(&opened->base);
            opened = NULL;
        }
        sealed[sealed_size - 1] ^= 1; /* the last byte of the seal */
        HOLDS(ticket_open(get_ring(), "registry", sealed, sealed_size, NOW_MS, &opened) == MK_TICKET_INVALID);
        free(sealed);
    }
    pb_free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(const uint8_t *, size_t) = {fuzz_statements, fuzz_sealed, fuzz_ticket};
    if (size > 0) kinds[data[0] % 3](data + 1, size - 1);
    return 0;
}
