/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine with recording ports: which event in which state does what, and what never happens. */
#include "agent/counter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/pb/pb.h"
#include "proto/terminal.pb-c.h"

typedef struct bench {
    counter_t *counter;
    pin_t *pin;
    card_verb last_order;
    unsigned orders[8];
    char path[32];
    uint8_t request_id[16], nonce[32];
    Mykey__Terminal__ChallengeRequest *challenge;
    unsigned timer_ms[COUNTER_TIMER_COUNT];
    unsigned changes, sends;
    char typed[65];
    bool has_keyboard, refuses;
    Mykey__Terminal__TerminalInfo info;
    Mykey__Registry__Operator op;
    Mykey__Registry__OutputSettings output;
} bench_t;

static const profile_identity identity = {.terminal_id = "t-1", .operator_id = "A1", .key_sha256 = {5}};

/* ---- ports ---- */

static void order_card(void *arg, card_verb verb, const uint8_t *data, size_t size)
{
    bench_t *b = arg;
    (void)data;
    b->last_order = verb;
    b->orders[verb]++;
    assert_true((verb == CARD_SIGN) == (size > 0));
}

static bool send_call(void *arg, const char *path, const ProtobufCMessage *message, const char *gateway, unsigned ms)
{
    bench_t *b = arg;
    size_t size = 0;
    if (b->refuses) return false;
    assert_true(ms > 0);
    assert_true((strcmp(path, "/v1/tap") == 0) == (gateway != NULL));
    (void)strncpy(b->path, path, sizeof b->path - 1);
    b->sends++;
    if (strcmp(path, "/v1/challenge") != 0) return true;
    uint8_t *body = pb_pack(message, &size);
    pb_free(b->challenge ? &b->challenge->base : NULL);
    assert_int_equal(pb_unpack(message->descriptor, body, size, (ProtobufCMessage **)&b->challenge), MK_OK);
    free(body);
    return true;
}

static void cancel(void *arg)
{
    (void)arg;
}

static void set_timer(void *arg, counter_timer timer, unsigned ms)
{
    ((bench_t *)arg)->timer_ms[timer] = ms;
}

static problem_t plug(void *arg)
{
    return ((bench_t *)arg)->has_keyboard ? MK_OK : PROBLEM_KEYBOARD_UNAVAILABLE;
}

static problem_t type(void *arg, const output_rules *rules, const char *number)
{
    (void)rules;
    bench_t *b = arg;
    (void)strncpy(b->typed, number, sizeof b->typed - 1);
    return MK_OK;
}

static void changed(void *arg)
{
    ((bench_t *)arg)->changes++;
}

/* ---- events ---- */

static problem_t act(bench_t *b, const char *name)
{
    return counter_act(b->counter, &(counter_action){.name = name});
}

static problem_t digit(bench_t *b, char d)
{
    return counter_act(b->counter, &(counter_action){.name = "pin_digit", .digit = d});
}

static problem_t start(bench_t *b, const char *purpose)
{
    return counter_act(b->counter, &(counter_action){.name = "start", .purpose = purpose});
}

static const char *state_of(bench_t *b)
{
    return counter_state_name(b->counter);
}

static void presence(bench_t *b, problem_t problem, unsigned cards)
{
    counter_on_card(b->counter, &(card_report){.verb = CARD_PRESENCE, .problem = problem, .cards = cards});
}

static void report(bench_t *b, card_verb verb, problem_t problem, unsigned tries)
{
    card_report r = {.verb = verb, .problem = problem, .tries = tries, .size = problem ? 0 : 300};
    if (verb == CARD_SIGN && !problem) r.size = JPKI_SIGNATURE_SIZE;
    counter_on_card(b->counter, &r);
}

static void answer(bench_t *b, problem_t problem, const ProtobufCMessage *message)
{
    size_t size = 0;
    uint8_t *body = message ? pb_pack(message, &size) : NULL;
    uplink_answer a = {.problem = problem, .status = problem ? 409 : 200, .body = body, .size = size};
    counter_on_answer(b->counter, &a);
    free(body);
}

static void healthy(bench_t *b)
{
    static const terminal_health good = {MK_OK, MK_OK, MK_OK, 0};
    counter_on_terminal(b->counter, &good, &b->info);
}

static void sick(bench_t *b, problem_t network)
{
    terminal_health bad = {network, MK_OK, MK_OK, 3};
    counter_on_terminal(b->counter, &bad, &b->info);
}

/* A challenge that says what was asked for. */
static void answer_challenge(bench_t *b)
{
    Mykey__TapStatement s = MYKEY__TAP_STATEMENT__INIT;
    Mykey__Terminal__Challenge challenge = MYKEY__TERMINAL__CHALLENGE__INIT;
    b->nonce[0]++;
    s.has_version = s.has_purpose = s.has_assurance = s.has_issued_at_ms = s.has_expires_at_ms = true;
    s.has_terminal_key_sha256 = s.has_request_id = s.has_nonce = true;
    s.version = 1;
    s.environment = (char *)"test";
    s.terminal_id = (char *)"t-1";
    s.terminal_key_sha256 = (ProtobufCBinaryData){32, (uint8_t *)identity.key_sha256};
    s.origin = (char *)"https://mykey.example";
    s.purpose = b->challenge->purpose;
    s.audience = (char *)"A1";
    s.has_object = b->challenge->has_object;
    s.object = b->challenge->object;
    s.request_id = b->challenge->request_id;
    s.nonce = (ProtobufCBinaryData){32, b->nonce};
    s.issued_at_ms = clock_wall_ms();
    s.expires_at_ms = s.issued_at_ms + 15000;
    s.assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
    challenge.statement = &s;
    challenge.gateway = (char *)"gateway-1";
    answer(b, MK_OK, &challenge.base);
}

static void answer_numbers(bench_t *b, size_t count, char **numbers)
{
    Mykey__Terminal__TapReply reply = MYKEY__TERMINAL__TAP_REPLY__INIT;
    reply.n_customer_ids = count;
    reply.customer_ids = numbers;
    answer(b, MK_OK, &reply.base);
}

static void enter_pin(bench_t *b)
{
    for (const char *d = "1234"; *d; d++) assert_int_equal(digit(b, *d), MK_OK);
    assert_int_equal(act(b, "pin_submit"), MK_OK);
}

static void to_pin(bench_t *b, unsigned tries)
{
    presence(b, MK_OK, 1);
    assert_string_equal(state_of(b), "reading");
    report(b, CARD_OPEN, MK_OK, tries);
}

static void to_tap(bench_t *b)
{
    to_pin(b, 3);
    enter_pin(b);
    report(b, CARD_VERIFY, MK_OK, 3);
    answer_challenge(b);
    report(b, CARD_SIGN, MK_OK, 0);
    assert_string_equal(b->path, "/v1/tap");
}

static void to_number(bench_t *b)
{
    to_tap(b);
    answer_numbers(b, 1, (char *[]){(char *)"789"});
    assert_string_equal(state_of(b), "number");
}

static int open_bench(void **state)
{
    static const counter_options options = {"test", "https://mykey.example", &identity, 60, true};
    bench_t *b = calloc(1, sizeof *b);
    counter_ports ports = {b, order_card, send_call, cancel, set_timer, plug, type, cancel, cancel, changed};
    b->pin = pin_new();
    b->counter = counter_new(&options, &ports, b->pin);
    mykey__terminal__terminal_info__init(&b->info);
    mykey__registry__operator__init(&b->op);
    mykey__registry__output_settings__init(&b->output);
    b->info.operator_ = &b->op;
    b->info.platform_terms_version = (char *)"p1";
    b->op.output = &b->output;
    b->op.has_kind = true;
    b->op.kind = MYKEY__REGISTRY__OPERATOR_KIND__OPERATOR_KIND_LIBRARY;
    b->op.terms_version = (char *)"1";
    b->output.has_keyboard = b->output.keyboard = true;
    *state = b;
    presence(b, MK_OK, 0);
    healthy(b);
    return strcmp(state_of(b), "wait");
}

static int close_bench(void **state)
{
    bench_t *b = *state;
    pb_free(b->challenge ? &b->challenge->base : NULL);
    counter_destroy(&b->counter);
    pin_destroy(&b->pin);
    free(b);
    return 0;
}

/* ---- tests ---- */

static void test_the_whole_tap(void **state)
{
    bench_t *b = *state;
    to_number(b);
    assert_int_equal(b->orders[CARD_VERIFY], 1);
    assert_int_equal(b->orders[CARD_SIGN], 1);
    assert_int_equal(b->last_order, CARD_CLOSE); /* unpowered at the end */
    assert_int_equal(pin_count(b->pin), 0);
    assert_int_equal(b->timer_ms[COUNTER_IDLE], 30000);
    counter_on_timer(b->counter, COUNTER_IDLE);
    assert_string_equal(state_of(b), "wait"); /* the card is still in, and is not read again by itself */
    assert_int_equal(b->orders[CARD_OPEN], 1);
}

static json_t *part(bench_t *b, const char *name, json_t **snapshot)
{
    *snapshot = counter_snapshot(b->counter);
    return json_object_get(*snapshot, name);
}

static void test_nothing_of_a_number_is_left(void **state)
{
    bench_t *b = *state;
    json_t *snapshot = NULL;
    to_number(b);
    assert_non_null(part(b, "number", &snapshot));
    json_decref(snapshot);
    presence(b, MK_OK, 0); /* taken out */
    assert_string_equal(state_of(b), "wait");
    snapshot = counter_snapshot(b->counter);
    char *text = json_dumps(snapshot, 0);
    assert_null(strstr(text, "789"));
    free(text);
    json_decref(snapshot);
}

static void test_actions_of_other_states_do_nothing(void **state)
{
    bench_t *b = *state;
    static const char *const not_in_wait[] = {"pin_digit",    "pin_clear",   "pin_submit",   "confirm_last",
                                              "accept_terms", "register",    "staff_scan",   "staff_confirm",
                                              "choose",       "type_number", "type_cancel",  "stop_clear",
                                              "next",         "retry",       "manual_number"};
    unsigned before = b->changes;
    for (size_t i = 0; i < sizeof not_in_wait / sizeof not_in_wait[0]; i++)
        assert_int_equal(act(b, not_in_wait[i]), MK_CONFLICT);
    assert_int_equal(act(b, "format_disk"), MK_UNKNOWN_METHOD);
    assert_int_equal(b->changes, before);
    assert_string_equal(state_of(b), "wait");
}

static void test_late_reports_do_nothing(void **state)
{
    bench_t *b = *state;
    report(b, CARD_OPEN, MK_OK, 3);
    report(b, CARD_VERIFY, MK_OK, 3);
    report(b, CARD_SIGN, MK_OK, 0);
    answer_numbers(b, 1, (char *[]){(char *)"789"});
    counter_on_typed(b->counter, true);
    counter_on_timer(b->counter, COUNTER_TICK);
    assert_string_equal(state_of(b), "wait");
    assert_int_equal(b->sends, 0);
    to_pin(b, 3);
    report(b, CARD_SIGN, MK_OK, 0); /* not before the PIN */
    assert_string_equal(state_of(b), "pin");
    enter_pin(b);
    report(b, CARD_SIGN, MK_OK, 0); /* nor before a challenge */
    answer_numbers(b, 1, (char *[]){(char *)"789"});
    assert_string_equal(state_of(b), "working");
    assert_int_equal(b->sends, 0);
}

static void test_pin_rules(void **state)
{
    bench_t *b = *state;
    to_pin(b, 3);
    assert_int_equal(act(b, "pin_submit"), MK_BAD_REQUEST); /* four digits */
    for (const char *d = "123"; *d; d++) assert_int_equal(digit(b, *d), MK_OK);
    assert_int_equal(act(b, "pin_submit"), MK_BAD_REQUEST);
    assert_int_equal(act(b, "pin_clear"), MK_OK);
    assert_int_equal(pin_count(b->pin), 0);
    for (const char *d = "1234"; *d; d++) assert_int_equal(digit(b, *d), MK_OK);
    assert_int_equal(digit(b, '5'), MK_CONFLICT);
    assert_int_equal(b->orders[CARD_VERIFY], 0);
    counter_on_timer(b->counter, COUNTER_IDLE); /* nobody there any more */
    assert_string_equal(state_of(b), "wait");
    assert_int_equal(pin_count(b->pin), 0);
    assert_int_equal(b->last_order, CARD_CLOSE);
}

static void test_one_verify_per_entry(void **state)
{
    bench_t *b = *state;
    to_pin(b, 3);
    enter_pin(b);
    assert_int_equal(act(b, "pin_submit"), MK_CONFLICT);
    pin_wipe(b->pin); /* as the child does */
    report(b, CARD_VERIFY, PROBLEM_PIN_WRONG, 2);
    assert_string_equal(state_of(b), "error");
    assert_int_equal(act(b, "retry"), MK_OK);
    assert_string_equal(state_of(b), "pin");
    assert_int_equal(b->orders[CARD_OPEN], 1); /* the same session */
    assert_int_equal(act(b, "pin_submit"), MK_BAD_REQUEST);
    assert_int_equal(b->orders[CARD_VERIFY], 1);
}

static void test_last_try(void **state)
{
    bench_t *b = *state;
    to_pin(b, 1);
    assert_int_equal(digit(b, '1'), MK_CONFLICT);
    assert_int_equal(act(b, "pin_submit"), MK_CONFLICT);
    assert_int_equal(act(b, "confirm_last"), MK_OK);
    assert_int_equal(act(b, "confirm_last"), MK_CONFLICT);
    enter_pin(b);
    report(b, CARD_VERIFY, PROBLEM_PIN_BLOCKED, 0);
    assert_string_equal(state_of(b), "error");
    assert_int_equal(act(b, "retry"), MK_CONFLICT);
    assert_int_equal(b->last_order, CARD_CLOSE);
    presence(b, MK_OK, 0);
    assert_string_equal(state_of(b), "wait");
}

static void test_second_wrong_pin_needs_the_confirmation(void **state)
{
    bench_t *b = *state;
    to_pin(b, 2);
    enter_pin(b);
    pin_wipe(b->pin);
    report(b, CARD_VERIFY, PROBLEM_PIN_WRONG, 1);
    assert_int_equal(act(b, "retry"), MK_OK);
    assert_int_equal(digit(b, '1'), MK_CONFLICT);
}

static void test_blocked_card_is_told_before_typing(void **state)
{
    bench_t *b = *state;
    to_pin(b, 0);
    assert_string_equal(state_of(b), "error");
    assert_int_equal(b->orders[CARD_VERIFY], 0);
}

static void test_removed_and_put_back(void **state)
{
    bench_t *b = *state;
    to_pin(b, 3);
    assert_int_equal(digit(b, '1'), MK_OK);
    presence(b, MK_OK, 0);
    assert_string_equal(state_of(b), "error");
    assert_int_equal(pin_count(b->pin), 0);
    presence(b, MK_OK, 1);
    assert_string_equal(state_of(b), "reading");
    assert_int_equal(b->orders[CARD_VERIFY], 0);
}

static void test_removed_after_the_signature_is_fine(void **state)
{
    bench_t *b = *state;
    to_tap(b);
    presence(b, MK_OK, 0);
    assert_string_equal(state_of(b), "working");
    answer_numbers(b, 1, (char *[]){(char *)"789"});
    assert_string_equal(state_of(b), "number");
}

static void test_lost_challenge(void **state)
{
    bench_t *b = *state;
    uint8_t id[16];
    to_tap(b);
    memcpy(id, b->challenge->request_id.data, sizeof id);
    for (int i = 0; i < 2; i++) {
        answer(b, i ? MK_CHALLENGE_GONE : MK_CHALLENGE_EXPIRED, NULL);
        assert_string_equal(b->path, "/v1/challenge");
        assert_memory_equal(b->challenge->request_id.data, id, sizeof id);
        answer_challenge(b);
        report(b, CARD_SIGN, MK_OK, 0);
    }
    answer(b, MK_CHALLENGE_GONE, NULL);
    assert_string_equal(state_of(b), "error");
    assert_int_equal(b->orders[CARD_SIGN], 3);
    assert_int_equal(b->orders[CARD_VERIFY], 1);
    assert_int_equal(b->last_order, CARD_CLOSE);
}

/* The outcome is unknown: the same act again has the same id. A refusal, or another person's business, has a new one.
 */
static void test_request_ids(void **state)
{
    bench_t *b = *state;
    uint8_t id[16];
    to_tap(b);
    memcpy(id, b->challenge->request_id.data, sizeof id);
    answer(b, PROBLEM_NETWORK_DOWN, NULL);
    assert_int_equal(act(b, "retry"), MK_OK);
    report(b, CARD_OPEN, MK_OK, 3);
    enter_pin(b);
    report(b, CARD_VERIFY, MK_OK, 3);
    assert_memory_equal(b->challenge->request_id.data, id, sizeof id);
    answer_challenge(b);
    report(b, CARD_SIGN, MK_OK, 0);
    answer(b, MK_REVOCATION_STALE, NULL);
    assert_int_equal(act(b, "retry"), MK_OK);
    report(b, CARD_OPEN, MK_OK, 3);
    enter_pin(b);
    report(b, CARD_VERIFY, MK_OK, 3);
    assert_memory_not_equal(b->challenge->request_id.data, id, sizeof id);
}

static void test_errors_of_the_card_wait_for_the_right_one(void **state)
{
    bench_t *b = *state;
    presence(b, MK_OK, 1);
    report(b, CARD_OPEN, PROBLEM_CARD_PHONE, 0);
    assert_string_equal(state_of(b), "error");
    assert_int_equal(act(b, "retry"), MK_CONFLICT);
    presence(b, MK_OK, 0);
    assert_string_equal(state_of(b), "wait");
    presence(b, MK_OK, 2);
    assert_string_equal(state_of(b), "error");
    presence(b, MK_OK, 1);
    assert_string_equal(state_of(b), "reading");
}

static void test_reader_trouble_recovers_by_itself(void **state)
{
    bench_t *b = *state;
    static const problem_t troubles[] = {PROBLEM_READER_MISSING, PROBLEM_READER_SERVICE_DOWN, PROBLEM_READER_BUSY};
    for (size_t i = 0; i < 3; i++) {
        presence(b, troubles[i], 0);
        assert_string_equal(state_of(b), "error");
        assert_int_equal(act(b, "retry"), MK_CONFLICT);
        presence(b, MK_OK, 0);
        assert_string_equal(state_of(b), "wait");
    }
    presence(b, MK_OK, 1);
    report(b, CARD_OPEN, PROBLEM_READER_BUSY, 0);
    assert_string_equal(state_of(b), "error");
    presence(b, PROBLEM_READER_BUSY, 1);
    presence(b, MK_OK, 1);
    assert_string_equal(state_of(b), "reading");
}

static void test_reader_unplugged_with_the_card(void **state)
{
    bench_t *b = *state;
    json_t *snapshot = NULL;
    to_pin(b, 3);
    presence(b, PROBLEM_READER_MISSING, 0);
    assert_string_equal(json_string_value(json_object_get(part(b, "error", &snapshot), "code")), "READER_MISSING");
    json_decref(snapshot);
    presence(b, MK_OK, 0);
    assert_string_equal(state_of(b), "wait");
    presence(b, MK_OK, 1);
    assert_string_equal(state_of(b), "reading");
}

static void test_stuck_reader(void **state)
{
    bench_t *b = *state;
    to_pin(b, 3);
    enter_pin(b);
    presence(b, PROBLEM_READER_STUCK, 0);
    assert_string_equal(state_of(b), "error");
    presence(b, MK_OK, 1); /* the new card process sees the same card: not read again, or it would hang again */
    assert_string_equal(state_of(b), "error");
    assert_int_equal(b->orders[CARD_OPEN], 1);
    assert_int_equal(act(b, "retry"), MK_OK);
    assert_string_equal(state_of(b), "reading");
}

/* The next card process hangs as well: the card still isn't read by itself, and its going still ends it. */
static void test_stuck_again(void **state)
{
    bench_t *b = *state;
    to_pin(b, 3);
    presence(b, PROBLEM_READER_STUCK, 0);
    presence(b, PROBLEM_READER_STUCK, 0);
    presence(b, MK_OK, 1);
    assert_string_equal(state_of(b), "error");
    assert_int_equal(b->orders[CARD_OPEN], 1);
    presence(b, MK_OK, 0);
    assert_string_equal(state_of(b), "wait");
}

/* Pressed before the new card process has looked: the card that lies there is what was meant. */
static void test_stuck_and_pressed_early(void **state)
{
    bench_t *b = *state;
    to_pin(b, 3);
    presence(b, PROBLEM_READER_STUCK, 0);
    assert_int_equal(act(b, "retry"), MK_OK);
    presence(b, MK_OK, 1);
    assert_string_equal(state_of(b), "reading");
    assert_int_equal(b->orders[CARD_OPEN], 2);
}

static void test_network_trouble(void **state)
{
    bench_t *b = *state;
    sick(b, PROBLEM_NETWORK_DOWN);
    assert_string_equal(state_of(b), "error");
    assert_int_equal(act(b, "manual_open"), MK_OK);
    assert_int_equal(
        counter_act(b->counter, &(counter_action){.name = "manual_number", .number = "x", .reason = "other"}), MK_OK);
    assert_string_equal(state_of(b), "manual");
    assert_int_equal(
        counter_act(b->counter, &(counter_action){.name = "manual_number", .number = "1", .reason = "why"}),
        MK_REASON_INVALID);
    assert_int_equal(
        counter_act(b->counter, &(counter_action){.name = "manual_number", .number = "789", .reason = "other"}), MK_OK);
    assert_string_equal(state_of(b), "number");
    healthy(b); /* does not disturb */
    assert_string_equal(state_of(b), "number");
    assert_int_equal(act(b, "next"), MK_OK);
    assert_string_equal(state_of(b), "wait");
    to_pin(b, 3);
    sick(b, PROBLEM_NETWORK_DOWN); /* nor somebody at the PIN */
    assert_string_equal(state_of(b), "pin");
}

static void test_typing(void **state)
{
    bench_t *b = *state;
    b->has_keyboard = true;
    to_number(b);
    assert_int_equal(act(b, "type_number"), MK_OK);
    assert_string_equal(state_of(b), "typing");
    for (int i = 0; i < 2; i++) counter_on_timer(b->counter, COUNTER_TICK);
    assert_string_equal(b->typed, "");
    counter_on_timer(b->counter, COUNTER_TICK);
    assert_string_equal(b->typed, "789");
    counter_on_typed(b->counter, true);
    assert_int_equal(act(b, "next"), MK_OK);
    assert_string_equal(state_of(b), "wait");
}

static void test_typing_cancelled(void **state)
{
    bench_t *b = *state;
    b->has_keyboard = true;
    to_number(b);
    assert_int_equal(act(b, "type_number"), MK_OK);
    counter_on_timer(b->counter, COUNTER_TICK);
    assert_int_equal(act(b, "type_cancel"), MK_OK);
    assert_string_equal(state_of(b), "number");
    counter_on_timer(b->counter, COUNTER_TICK);
    counter_on_timer(b->counter, COUNTER_TICK);
    assert_string_equal(b->typed, "");
}

static void test_keyboard_not_offered(void **state)
{
    bench_t *b = *state;
    b->output.keyboard = false;
    healthy(b);
    to_number(b);
    assert_int_equal(act(b, "type_number"), MK_CONFLICT);
}

static void test_link_needs_the_staff(void **state)
{
    bench_t *b = *state;
    assert_int_equal(start(b, "link"), MK_OK);
    assert_string_equal(state_of(b), "terms");
    presence(b, MK_OK, 1); /* a card alone changes nothing */
    assert_string_equal(state_of(b), "terms");
    assert_int_equal(act(b, "accept_terms"), MK_OK);
    assert_string_equal(state_of(b), "staff_scan");
    assert_int_equal(act(b, "staff_confirm"), MK_STAFF_REQUIRED);
    assert_int_equal(counter_act(b->counter, &(counter_action){.name = "staff_scan", .number = "789"}), MK_OK);
    assert_int_equal(b->orders[CARD_OPEN], 0);
    assert_int_equal(act(b, "staff_confirm"), MK_OK);
    assert_string_equal(state_of(b), "reading");
}

static void expect_purpose(bench_t *b, const char *purpose)
{
    json_t *snapshot = counter_snapshot(b->counter);
    assert_string_equal(json_string_value(json_object_get(snapshot, "purpose")), purpose);
    json_decref(snapshot);
}

/* The same card may come back to what was begun with it; the next person's card starts with nothing. */
static void test_another_card_begins_anew(void **state)
{
    bench_t *b = *state;
    card_report other = {.verb = CARD_OPEN, .tries = 3, .size = 300, .data = {1}};
    assert_int_equal(start(b, "link"), MK_OK);
    assert_int_equal(act(b, "accept_terms"), MK_OK);
    assert_int_equal(counter_act(b->counter, &(counter_action){.name = "staff_scan", .number = "789"}), MK_OK);
    assert_int_equal(act(b, "staff_confirm"), MK_OK);
    for (int i = 0; i < 2; i++) {
        to_pin(b, 3);
        assert_string_equal(state_of(b), "pin");
        expect_purpose(b, "link");
        presence(b, MK_OK, 0);
    }
    presence(b, MK_OK, 1);
    assert_int_equal(b->orders[CARD_OPEN], 3);
    counter_on_card(b->counter, &other);
    assert_string_equal(state_of(b), "reading");
    assert_int_equal(b->orders[CARD_OPEN], 4);
    expect_purpose(b, "resolve");
    counter_on_card(b->counter, &other);
    assert_string_equal(state_of(b), "pin");
}

static void test_purposes(void **state)
{
    bench_t *b = *state;
    assert_int_equal(start(b, NULL), MK_BAD_REQUEST);
    assert_int_equal(start(b, "unknown"), MK_BAD_REQUEST);
    assert_int_equal(start(b, "create_id"), MK_OPERATOR_KIND);
    assert_int_equal(start(b, "unlink"), MK_OK);
    assert_string_equal(state_of(b), "wait");
    assert_int_equal(b->timer_ms[COUNTER_IDLE], 120000); /* a choice doesn't wait for ever */
    to_pin(b, 3);
    enter_pin(b);
    report(b, CARD_VERIFY, MK_OK, 3);
    assert_int_equal(b->challenge->purpose, MYKEY__PURPOSE__PURPOSE_UNLINK);
}

static void test_not_linked(void **state)
{
    bench_t *b = *state;
    to_tap(b);
    answer(b, MK_NOT_LINKED, NULL);
    assert_string_equal(state_of(b), "not_registered");
    assert_int_equal(b->last_order, CARD_CLOSE);
    assert_int_equal(act(b, "register"), MK_OK);
    assert_string_equal(state_of(b), "terms");
}

static void test_an_undone_link_is_told(void **state)
{
    bench_t *b = *state;
    uplink_answer refused = {.problem = MK_NOT_LINKED, .status = 404, .detail = "link_undone"};
    to_tap(b);
    counter_on_answer(b->counter, &refused);
    assert_string_equal(state_of(b), "not_registered");
    json_t *snapshot = counter_snapshot(b->counter);
    json_t *notices = json_object_get(snapshot, "notices");
    assert_string_equal(json_string_value(json_array_get(notices, 0)), "link_undone");
    json_decref(snapshot);
}

/* To wait is told only where "retry" is offered: the counter itself tries nothing again. */
static void test_a_wait_needs_a_retry(void **state)
{
    bench_t *b = *state;
    static const struct {
        problem_t problem;
        json_int_t wait_s;
    } rows[] = {{MK_BUSY, 2}, {MK_NOT_OWNER, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uplink_answer refused = {.problem = rows[i].problem, .status = 503, .retry_after_ms = 1500};
        to_tap(b);
        counter_on_answer(b->counter, &refused);
        json_t *snapshot = counter_snapshot(b->counter);
        json_t *error = json_object_get(snapshot, "error");
        assert_int_equal(json_integer_value(json_object_get(error, "wait_s")), rows[i].wait_s);
        assert_int_equal(json_is_true(json_object_get(error, "retry")), rows[i].wait_s > 0);
        json_decref(snapshot);
        assert_int_equal(act(b, "next"), MK_OK);
        presence(b, MK_OK, 0);
    }
}

static void test_a_new_card_begins_anew(void **state)
{
    bench_t *b = *state;
    to_tap(b);
    answer(b, MK_NOT_LINKED, NULL);
    presence(b, MK_OK, 0);
    assert_string_equal(state_of(b), "not_registered"); /* whoever wants to register may put the card away */
    presence(b, MK_OK, 1);
    assert_string_equal(state_of(b), "reading");
}

static void test_a_suspension_code_stays_to_be_copied(void **state)
{
    bench_t *b = *state;
    Mykey__Terminal__TapReply reply = MYKEY__TERMINAL__TAP_REPLY__INIT;
    b->op.kind = MYKEY__REGISTRY__OPERATOR_KIND__OPERATOR_KIND_MUNICIPALITY;
    healthy(b);
    assert_int_equal(start(b, "create_id"), MK_OK);
    assert_int_equal(act(b, "accept_terms"), MK_OK);
    to_tap(b);
    reply.mykey_id = (char *)"ABCD1234";
    reply.suspend_code = (char *)"1234567812345678";
    answer(b, MK_OK, &reply.base);
    assert_string_equal(state_of(b), "done");
    assert_int_equal(b->timer_ms[COUNTER_IDLE], 300000);
    presence(b, MK_OK, 0);
    presence(b, MK_OK, 1);
    assert_string_equal(state_of(b), "done");
}

static void test_an_answer_for_another_purpose(void **state)
{
    bench_t *b = *state;
    Mykey__Terminal__TapReply reply = MYKEY__TERMINAL__TAP_REPLY__INIT;
    to_tap(b);
    reply.has_purpose = true;
    reply.purpose = MYKEY__PURPOSE__PURPOSE_DELETE_ID;
    answer(b, MK_OK, &reply.base);
    assert_string_equal(state_of(b), "error");
}

static void test_no_room_to_send(void **state)
{
    bench_t *b = *state;
    to_pin(b, 3);
    enter_pin(b);
    b->refuses = true;
    report(b, CARD_VERIFY, MK_OK, 3);
    assert_string_equal(state_of(b), "error");
    assert_int_equal(b->last_order, CARD_CLOSE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_whole_tap),
        TEST(test_nothing_of_a_number_is_left),
        TEST(test_actions_of_other_states_do_nothing),
        TEST(test_late_reports_do_nothing),
        TEST(test_pin_rules),
        TEST(test_one_verify_per_entry),
        TEST(test_last_try),
        TEST(test_second_wrong_pin_needs_the_confirmation),
        TEST(test_blocked_card_is_told_before_typing),
        TEST(test_removed_and_put_back),
        TEST(test_removed_after_the_signature_is_fine),
        TEST(test_lost_challenge),
        TEST(test_request_ids),
        TEST(test_errors_of_the_card_wait_for_the_right_one),
        TEST(test_reader_trouble_recovers_by_itself),
        TEST(test_stuck_reader),
        TEST(test_stuck_again),
        TEST(test_stuck_and_pressed_early),
        TEST(test_reader_unplugged_with_the_card),
        TEST(test_network_trouble),
        TEST(test_typing),
        TEST(test_typing_cancelled),
        TEST(test_keyboard_not_offered),
        TEST(test_link_needs_the_staff),
        TEST(test_another_card_begins_anew),
        TEST(test_purposes),
        TEST(test_not_linked),
        TEST(test_an_undone_link_is_told),
        TEST(test_a_wait_needs_a_retry),
        TEST(test_a_new_card_begins_anew),
        TEST(test_a_suspension_code_stays_to_be_copied),
        TEST(test_an_answer_for_another_purpose),
        TEST(test_no_room_to_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
