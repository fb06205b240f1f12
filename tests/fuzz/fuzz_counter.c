/* SPDX-License-Identifier: Apache-2.0 */
/* What may happen at a counter, in any order: what the page posts, the card child reports, the platform answers, and
 * time. The PIN goes to the card once, and only whole; nothing but a tap statement is signed, and only after the PIN
 * was right; what is typed is of its length; and a counter that waits keeps nothing of the one before. Parsers:
 * agent/counter.c agent/counter_staff.c agent/counter_tap.c agent/snapshot.c agent/statement.c */
#include "tests/fuzz/fuzz.h"

#include "agent/counter.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "common/pb/pb.h"
#include "proto/terminal.pb-c.h"
#include "tests/fuzz/said.h"

#define MARK "S3CR3T" /* in whatever belongs to a resident */

enum { CALL_NONE, CALL_CHALLENGE, CALL_OTHER };

static const profile_identity identity = {.terminal_id = "t-1", .operator_id = "A1", .key_sha256 = {5}};
static counter_t *counter;
static pin_t *pin;
static card_verb ordered; /* 0: nothing that will be answered */
static bool verified, has_keyboard;
static int call;
static Mykey__Terminal__ChallengeRequest *asked;

/* Time stands. */
uint64_t clock_mono_us(void)
{
    return 1000000000;
}

uint64_t clock_mono_ms(void)
{
    return 1000000;
}

uint64_t clock_wall_us(void)
{
    return 1000000000;
}

uint64_t clock_wall_ms(void)
{
    return 1000000;
}

/* Nothing is told: what is refused is many. */
void log_write(log_level level, const char *event, const log_field *fields)
{
    (void)level, (void)event, (void)fields;
}

/* ---- what the counter wants done ---- */

static void order_card(void *arg, card_verb verb, const uint8_t *data, size_t size)
{
    (void)arg;
    HOLDS(verb >= CARD_OPEN && verb <= CARD_CLOSE && (verb == CARD_SIGN) == (size > 0));
    HOLDS(verb != CARD_VERIFY || (pin_complete(pin) && !verified));
    HOLDS(verb != CARD_SIGN || (verified && size <= JPKI_STATEMENT_MAX && memcmp(data, "MYKEY-TAP-1", 11) == 0));
    if (verb == CARD_OPEN || verb == CARD_CLOSE) verified = false;
    if (verb == CARD_CLOSE) HOLDS(pin_count(pin) == 0);
    ordered = verb;
}

static bool send_call(void *arg, const char *path, const ProtobufCMessage *message, const char *gateway, unsigned ms)
{
    (void)arg;
    HOLDS(ms > 0 && (strcmp(path, "/v1/tap") == 0) == (gateway != NULL) && call == CALL_NONE);
    size_t size = 0;
    uint8_t *body = pb_pack(message, &size);
    ProtobufCMessage *again = NULL;
    HOLDS(pb_unpack(message->descriptor, body, size, &again) == MK_OK); /* as the gateway will */
    free(body);
    call = strcmp(path, "/v1/challenge") == 0 ? CALL_CHALLENGE : CALL_OTHER;
    pb_free(asked != NULL && call == CALL_CHALLENGE ? &asked->base : NULL);
    if (call == CALL_CHALLENGE) asked = (Mykey__Terminal__ChallengeRequest *)again;
    if (call != CALL_CHALLENGE) pb_free(again);
    return true;
}

static void cancel(void *arg)
{
    (void)arg;
    call = CALL_NONE;
}

static void set_timer(void *arg, counter_timer timer, unsigned ms)
{
    (void)arg, (void)ms;
    HOLDS(timer < COUNTER_TIMER_COUNT);
}

static problem_t plug(void *arg)
{
    (void)arg;
    return has_keyboard ? MK_OK : PROBLEM_KEYBOARD_UNAVAILABLE;
}

static problem_t type(void *arg, const output_rules *rules, const char *number)
{
    (void)arg, (void)rules;
    HOLDS(strlen(number) >= 1 && strlen(number) <= NUMBER_MAX && text_is_utf8(number, strlen(number)));
    return MK_OK;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* ---- what happens ---- */

static void press(void)
{
    static const char *const names[] = {"start",        "cancel",        "pin_digit",   "pin_clear",  "pin_submit",
                                        "confirm_last", "accept_terms",  "register",    "staff_scan", "staff_confirm",
                                        "choose",       "type_number",   "type_cancel", "stop_clear", "next",
                                        "retry",        "manual_number", "undo_link",   "suspend",    "manual_open"};
    static const char *const purposes[] = {"resolve", "create_id", "show_id",   "change_id", "delete_id",
                                           "link",    "unlink",    "resume_id", "none",      "withdraw_consent"};
    static const char *const reasons[] = {"forgot_card", "mistyped", "other", "none"};
    static const char *const numbers[] = {"789", MARK, "12345678901234567890", "", "A-1"};
    uint8_t b[4] = {0};
    (void)fuzz_hear(b, sizeof b);
    (void)counter_act(counter, &(counter_action){.name = names[b[0] % 20],
                                                 .purpose = b[1] & 0x80 ? NULL : purposes[b[1] % 10],
                                                 .reason = b[2] & 0x80 ? NULL : reasons[b[2] % 4],
                                                 .number = b[3] & 0x80 ? NULL : numbers[b[3] % 5],
                                                 .code = b[3] & 0x40 ? MARK : "00000000000000000000",
                                                 .digit = (char)('0' + b[1] % 10),
                                                 .index = b[2]});
}

static void press_pin(void)
{
    for (const char *c = "1234"; *c; c++)
        (void)counter_act(counter, &(counter_action){.name = "pin_digit", .digit = *c});
    (void)counter_act(counter, &(counter_action){.name = "pin_submit"});
}

static problem_t some_problem(uint8_t b)
{
    static const problem_t problems[] = {MK_OK,
                                         MK_OK,
                                         PROBLEM_PIN_WRONG,
                                         PROBLEM_PIN_BLOCKED,
                                         PROBLEM_CARD_REMOVED,
                                         PROBLEM_CARD_UNREADABLE,
                                         PROBLEM_NETWORK_DOWN,
                                         MK_CHALLENGE_EXPIRED,
                                         MK_CERT_REVOKED,
                                         MK_NO_MYKEY_ID,
                                         MK_ALREADY_HAS_ID,
                                         MK_NOT_LINKED,
                                         MK_NUMBER_TAKEN,
                                         MK_STAFF_REQUIRED,
                                         MK_TERMS_OUTDATED,
                                         MK_BUSY,
                                         MK_DEADLINE_EXCEEDED,
                                         777};
    return problems[b % (sizeof problems / sizeof *problems)];
}

/* To the last order, once, as the link lets through; the child wipes the PIN whatever comes of it. */
static void report(void)
{
    static card_report one;
    uint8_t b[4] = {0};
    (void)fuzz_hear(b, sizeof b);
    if (ordered == 0) return;
    one = (card_report){.verb = ordered, .problem = some_problem(b[0]), .tries = b[1] % 16};
    bool of_pin = one.problem == PROBLEM_PIN_WRONG || one.problem == PROBLEM_PIN_BLOCKED;
    if (of_pin && ordered != CARD_VERIFY) one.problem = PROBLEM_CARD_UNREADABLE;
    one.size = one.problem            ? 0
               : ordered == CARD_SIGN ? JPKI_SIGNATURE_SIZE
                                      : (uint32_t)(b[2] << 8 | b[3]) % (JPKI_CERT_MAX + 1);
    if (ordered == CARD_VERIFY) pin_wipe(pin);
    verified = ordered == CARD_VERIFY ? one.problem == MK_OK : verified && ordered == CARD_SIGN;
    ordered = 0;
    counter_on_card(counter, &one);
}

static void presence(void)
{
    uint8_t b[2] = {0};
    (void)fuzz_hear(b, sizeof b);
    if (b[1] % 3 == 0) pin_wipe(pin); /* by the child, who alone knows the session */
    counter_on_card(counter, &(card_report){.verb = CARD_PRESENCE,
                                            .problem = b[0] < 16 ? MK_OK : PROBLEM_READER_MISSING,
                                            .cards = b[1] % 3});
}

static void answer(problem_t problem, const uint8_t *body, size_t size)
{
    if (call == CALL_NONE) return;
    call = CALL_NONE;
    counter_on_answer(counter,
                      &(uplink_answer){.problem = problem, .status = problem ? 409 : 200, .body = body, .size = size});
}

static void answer_bytes(void)
{
    uint8_t how = 0, bytes[1024];
    (void)fuzz_hear(&how, 1);
    size_t size = (size_t)fuzz_hear_packet(bytes, sizeof bytes);
    problem_t problem = some_problem(how);
    answer(problem, problem ? NULL : bytes, problem ? 0 : size);
}

static void answer_message(const ProtobufCMessage *message)
{
    size_t size = 0;
    uint8_t *body = pb_pack(message, &size);
    answer(MK_OK, body, size);
    free(body);
}

/* A challenge that says what was asked for, but for one field. */
static void answer_challenge(void)
{
    static uint8_t nonce[32], other[32];
    static char test[] = "test", t1[] = "t-1", a1[] = "A1", origin[] = "https://mykey.example", gateway[] = "gateway-1";
    uint8_t wrong = 0;
    (void)fuzz_hear(&wrong, 1);
    if (call != CALL_CHALLENGE) return;
    Mykey__TapStatement s = MYKEY__TAP_STATEMENT__INIT;
    Mykey__Terminal__Challenge challenge = MYKEY__TERMINAL__CHALLENGE__INIT;
    nonce[0]++;
    s.has_version = s.has_purpose = s.has_assurance = s.has_issued_at_ms = s.has_expires_at_ms = true;
    s.has_terminal_key_sha256 = s.has_request_id = s.has_nonce = true;
    s.version = 1;
    s.environment = wrong == 1 ? t1 : test;
    s.terminal_id = wrong == 2 ? a1 : t1;
    s.terminal_key_sha256 = (ProtobufCBinaryData){32, wrong == 3 ? other : (uint8_t *)(uintptr_t)identity.key_sha256};
    s.origin = wrong == 4 ? test : origin;
    s.purpose = asked->purpose + (wrong == 5);
    s.audience = wrong == 6 ? t1 : a1;
    s.has_object = asked->has_object;
    s.object = asked->object;
    s.request_id = asked->request_id;
    s.nonce = (ProtobufCBinaryData){32, nonce};
    s.issued_at_ms = clock_wall_ms() + (wrong == 7 ? 1000000 : 0);
    s.expires_at_ms = s.issued_at_ms + 15000;
    s.assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
    challenge.statement = &s;
    challenge.gateway = gateway;
    answer_message(&challenge.base);
}

static void answer_tap(void)
{
    static char id[] = MARK "01", code[] = MARK "-CODE", number[] = MARK,
                longer[] = MARK "0000000000000000000000000000000000000000000000000000000000000000000000000000000000";
    static char *const ids[] = {number, longer, id};
    uint8_t how = 0;
    (void)fuzz_hear(&how, 1);
    Mykey__Terminal__TapReply reply = MYKEY__TERMINAL__TAP_REPLY__INIT;
    reply.customer_ids = (char **)(uintptr_t)ids;
    reply.n_customer_ids = how & 3;
    reply.mykey_id = how & 4 ? id : NULL;
    reply.suspend_code = how & 8 ? code : NULL;
    reply.has_removed = how & 16;
    reply.removed = 3;
    reply.n_notices = how & 32 ? 2 : 0;
    reply.notices = (char **)(uintptr_t)ids;
    if (call == CALL_OTHER) answer_message(&reply.base);
}

static void pass_time(void)
{
    uint8_t which = 0;
    (void)fuzz_hear(&which, 1);
    counter_on_timer(counter, which & 1 ? COUNTER_TICK : COUNTER_IDLE);
}

static void typed(void)
{
    uint8_t how = 0;
    (void)fuzz_hear(&how, 1);
    has_keyboard = how & 2;
    counter_on_typed(counter, how & 1);
}

static void terminal(void)
{
    static Mykey__Terminal__TerminalInfo info; /* are the terminal's until it tells again */
    static Mykey__Registry__Operator op;
    static Mykey__Registry__OutputSettings output;
    static char p1[] = "p1", one[] = "1";
    uint8_t b[3] = {0};
    (void)fuzz_hear(b, sizeof b);
    mykey__terminal__terminal_info__init(&info);
    mykey__registry__operator__init(&op);
    mykey__registry__output_settings__init(&output);
    info.platform_terms_version = p1;
    info.operator_ = b[0] & 1 ? NULL : &op;
    op.has_kind = true;
    op.kind = 1 + b[1] % 6;
    op.output = &output;
    op.terms_version = one;
    output.has_keyboard = output.has_symbology = true;
    output.keyboard = b[0] & 2;
    output.symbology = b[1] % 3;
    terminal_health health = {b[2] & 1 ? PROBLEM_NETWORK_DOWN : MK_OK, b[2] & 2 ? MK_CLOCK_WRONG : MK_OK,
                              b[2] & 4 ? MK_TERMINAL_UNKNOWN : MK_OK, 0};
    counter_on_terminal(counter, &health, b[0] & 4 ? NULL : &info);
}

static void (*const steps[])(void) = {press,      press_pin, report, presence, answer_bytes, answer_challenge,
                                      answer_tap, pass_time, typed,  terminal};

/* What the page is shown; nothing of anybody's while the counter waits. */
static void check_snapshot(void)
{
    json_t *snapshot = counter_snapshot(counter);
    HOLDS(json_is_object(snapshot));
    if (strcmp(counter_state_name(counter), "wait") == 0) {
        char *text = json_dumps(snapshot, 0);
        HOLDS(text != NULL && strstr(text, MARK) == NULL && pin_count(pin) == 0);
        free(text);
    }
    json_decref(snapshot);
}

static void set_up(void)
{
    static const counter_options options = {"test", "https://mykey.example", &identity, 60, true};
    static const counter_ports ports = {NULL, order_card, send_call, cancel,  set_timer,
                                        plug, type,       nothing,   nothing, nothing};
    if (pin == NULL) pin = pin_new();
    HOLDS(pin != NULL);
    pin_wipe(pin);
    ordered = 0;
    call = CALL_NONE;
    verified = has_keyboard = false;
    counter = counter_new(&options, &ports, pin);
    HOLDS(counter != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t step;
    set_up();
    fuzz_say(data, size);
    while (fuzz_hear(&step, 1) == 1) {
        steps[step % (sizeof steps / sizeof steps[0])]();
        check_snapshot();
    }
    counter_destroy(&counter);
    HOLDS(pin_count(pin) == 0);
    pb_free(asked != NULL ? &asked->base : NULL);
    asked = NULL;
    return 0;
}
