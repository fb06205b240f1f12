/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange with made-up time and a port that writes down what it was asked to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/broker/exchange.h"

enum { SECOND = 1000000, LOG_SIZE = 4096 };

static principal_t callers[2] = {{"one", 0}, {"two", 1}};
static exchange_t *exchange;
static char said[LOG_SIZE]; /* "name>worker" dispatched, "name=CODE/executed" answered, "name!worker" cancelled */
static uint64_t tags[64];   /* by the request's number */
static bus_sent next_sent;
static bus_list client, peer;
static uint64_t now;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    size_t size = strlen(said);
    va_list args;
    va_start(args, format);
    vsnprintf(said + size, sizeof said - size, format, args);
    va_end(args);
}

static int number_of(const request_t *request)
{
    return request->header.request_id.data[0];
}

static bus_sent on_dispatch(void *ctx, worker_t *worker, request_t *request, uint64_t tag)
{
    (void)ctx;
    bus_sent sent = next_sent;
    next_sent = BUS_SENT;
    if (sent == BUS_GONE || sent == BUS_FULL) return sent;
    tags[number_of(request)] = tag;
    say("%d>%s%s ", number_of(request), (const char *)worker->peer, request->header.attempt ? "'" : "");
    return sent;
}

static void on_cancel(void *ctx, worker_t *worker, request_t *request, uint64_t tag)
{
    (void)ctx;
    assert_true(tag == tags[number_of(request)]);
    say("%d!%s ", number_of(request), (const char *)worker->peer);
}

static void on_answer(void *ctx, request_t *request, const exchange_answer *answer)
{
    static const char executed[] = "?nyu";
    (void)ctx;
    say("%d=%s/%c ", number_of(request), mk_code_name(answer->code), executed[answer->executed]);
}

static void on_dropped(void *ctx, worker_t *worker)
{
    (void)ctx;
    say("-%s ", (const char *)worker->peer);
}

static int set_up(void **state)
{
    (void)state;
    exchange_port port = {on_dispatch, on_cancel, on_answer, on_dropped, NULL};
    exchange_limits limits = {5, 10000, 4, 2 * SECOND};
    exchange = exchange_new(&port, &limits);
    exchange_add_service(exchange, "s");
    bus_list_init(&client);
    bus_list_init(&peer);
    said[0] = '\0';
    next_sent = BUS_SENT;
    exchange_set_time(exchange, now = 100 * SECOND);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    exchange_destroy(&exchange);
    assert_true(bus_list_empty(&client));
    return 0;
}

/* What was said since the last look. */
static void expect(const char *text)
{
    assert_string_equal(said, text);
    said[0] = '\0';
}

static void pass(uint64_t us)
{
    exchange_set_time(exchange, now += us);
    exchange_expire(exchange);
}

typedef struct ask {
    int number;
    uint32_t shard, timeout_ms, caller;
    bool batch, repeatable;
    size_t body;
} ask;

static request_t *call(ask with)
{
    static uint8_t body[20000];
    uint8_t id[16] = {(uint8_t)with.number};
    bus_header header = {
        .service = bus_slice_text("s"),
        .method = bus_slice_text("M"),
        .request_id = {id, 16},
        .timeout_ms = with.timeout_ms ? with.timeout_ms : 10000,
        .shard = with.shard,
        .priority = with.batch ? BUS_PRIORITY_BATCH : BUS_PRIORITY_INTERACTIVE,
        .repeatable = with.repeatable,
    };
    zmq_msg_t msg;
    mk_code code;
    assert_int_equal(bus_frame_build(&msg, BUS_CALL, &header, (bus_slice){body, with.body}), MK_OK);
    request_t *request = request_new(&msg, &code);
    zmq_msg_close(&msg);
    assert_non_null(request);
    request->caller = &callers[with.caller];
    request->client = &client;
    bus_list_push(&client, &request->client_link);
    return exchange_call(exchange, request) == EXCHANGE_TAKEN ? request : NULL;
}

#define CALL(...) call((ask){__VA_ARGS__})

static worker_t *ready(const char *name, uint32_t credit, const bus_shard *shards, uint32_t count)
{
    bus_header header = {.credit = credit, .shards = shards, .shard_count = count};
    worker_offer offer = {&header, (void *)(uintptr_t)name};
    worker_t *worker = exchange_ready(exchange, exchange->services[0], NULL, &offer);
    assert_non_null(worker);
    bus_list_push(&peer, &worker->peer_link);
    exchange_settle(exchange);
    return worker;
}

static bool reply(worker_t *worker, int number, mk_code code, uint32_t executed)
{
    bus_header header = {.tag = tags[number], .code = code, .executed = executed, .credit = 1};
    return exchange_reply(exchange, worker, &header, (bus_slice){NULL, 0});
}

static void a_call_is_dispatched_and_answered_once(void **state)
{
    (void)state;
    worker_t *a = ready("a", 1, NULL, 0);
    CALL(1);
    expect("1>a ");
    assert_true(reply(a, 1, MK_OK, 2));
    expect("1=OK/y ");
    assert_false(reply(a, 1, MK_OK, 2));
    assert_int_equal(worker_free(a), 1);
    assert_true(exchange->open == 0 && exchange->requests.count == 0);
}

static void without_worker_it_waits_for_the_grace(void **state)
{
    (void)state;
    CALL(1);
    CALL(2, .timeout_ms = 500);
    pass(SECOND);
    expect("2=NO_WORKERS/n ");
    ready("a", 1, NULL, 0);
    expect("1>a ");
}

static void deadlines(void **state)
{
    (void)state;
    worker_t *a = ready("a", 1, NULL, 0);
    CALL(1, .timeout_ms = 1000);
    CALL(2, .timeout_ms = 1000);
    expect("1>a ");
    pass(SECOND);
    expect("1!a 1=DEADLINE_EXCEEDED/u 2=DEADLINE_EXCEEDED/n ");
    assert_int_equal(worker_free(a), 0); /* the worker still holds it */
    assert_false(reply(a, 1, MK_OK, 2));
    assert_int_equal(worker_free(a), 1);
    assert_int_equal(exchange->stats.late_replies, 1);
}

static void queue_limits(void **state)
{
    (void)state;
    ready("a", 1, NULL, 0);
    for (int i = 1; i <= 6; i++) CALL(i);
    expect("1>a 6=BUSY/n "); /* four of one caller */
    CALL(7, .caller = 1);
    CALL(8, .caller = 1);
    expect("8=BUSY/n "); /* five of all */
    CALL(9, .caller = 1, .body = 9900);
    expect("9=BUSY/n ");
}

static void most_free_credit_then_longest_idle(void **state)
{
    (void)state;
    worker_t *a = ready("a", 2, NULL, 0);
    worker_t *b = ready("b", 3, NULL, 0);
    for (int i = 1; i <= 5; i++) {
        exchange_set_time(exchange, ++now);
        CALL(i);
    }
    expect("1>b 2>a 3>b 4>a 5>b "); /* at two each: a has rested longer */
    reply(b, 1, MK_OK, 2);
    reply(a, 2, MK_OK, 2);
    CALL(6);
    expect("1=OK/y 2=OK/y 6>a ");
}

static void batch_waits_and_takes_half(void **state)
{
    (void)state;
    worker_t *a = ready("a", 3, NULL, 0);
    for (int i = 1; i <= 3; i++) CALL(i, .batch = true);
    expect("1>a 2>a "); /* half of three, rounded up */
    CALL(4);
    CALL(5);
    expect("4>a ");
    reply(a, 1, MK_OK, 2);
    expect("1=OK/y 5>a ");
    reply(a, 4, MK_OK, 2);
    expect("4=OK/y 3>a ");
}

static void shards_and_epochs(void **state)
{
    (void)state;
    const bus_shard old[] = {{1, 5}, {2, 5}}, new[] = {{2, 6}};
    worker_t *a = ready("a", 9, old, 2);
    CALL(1, .shard = 2);
    worker_t *b = ready("b", 1, new, 1);
    CALL(2, .shard = 2);
    CALL(3, .shard = 1);
    CALL(4, .shard = 2); /* a has credit, but no longer owns it */
    CALL(5, .shard = 9);
    expect("1>a 2>b 3>a ");
    reply(b, 2, MK_OK, 2);
    expect("2=OK/y 4>b ");
    exchange_lose(exchange, b, LOSS_DEAD);
    expect("4=UNAVAILABLE/u -b ");
    pass(2 * SECOND);
    expect("5=NO_WORKERS/n ");
    CALL(6, .shard = 2); /* the old owner's offer stands again */
    expect("6>a ");
    (void)a;
}

/* What the newest owner left behind, queued or refused by it, is the old owner's at once. */
static void an_epoch_ends(void **state)
{
    (void)state;
    const bus_shard old[] = {{2, 5}}, new[] = {{2, 6}};
    ready("a", 9, old, 1);
    worker_t *b = ready("b", 1, new, 1);
    CALL(1, .shard = 2);
    CALL(2, .shard = 2);
    expect("1>b ");
    exchange_drain_worker(exchange, b);
    expect("2>a ");
    reply(b, 1, MK_OK, 2);
    exchange_lose(exchange, b, LOSS_BYE);
    expect("1=OK/y -b ");
    b = ready("b", 1, new, 1);
    CALL(3, .shard = 2);
    reply(b, 3, MK_NOT_OWNER, 1);
    expect("3>b ");
    exchange_lose(exchange, b, LOSS_DEAD);
    expect("3>a -b ");
}

static void not_owner_goes_on_to_another(void **state)
{
    (void)state;
    worker_t *a = ready("a", 9, NULL, 0);
    worker_t *b = ready("b", 1, NULL, 0);
    CALL(1);
    reply(a, 1, MK_NOT_OWNER, 1);
    expect("1>a 1>b ");
    reply(b, 1, MK_NOT_OWNER, 3); /* perhaps executed: an answer like any other */
    expect("1=NOT_OWNER/u ");
}

static void rejected_for_ever_ends(void **state)
{
    (void)state;
    worker_t *a = ready("a", 1, NULL, 0), *b = ready("b", 1, NULL, 0);
    CALL(1);
    for (int i = 0; i < 4; i++) {
        bus_header header = {.tag = tags[1], .credit = 1};
        assert_true(exchange_reject(exchange, i % 2 ? b : a, &header));
    }
    expect("1>a 1>b 1>a 1>b 1=BUSY/n ");
}

static void undelivered_goes_to_the_next(void **state)
{
    (void)state;
    ready("a", 9, NULL, 0);
    ready("b", 1, NULL, 0);
    next_sent = BUS_GONE;
    CALL(1);
    expect("1>b -a "); /* no attempt is counted */
}

/* Its first request didn't reach it. */
static void a_worker_lost_at_once(void **state)
{
    (void)state;
    CALL(1, .repeatable = true);
    next_sent = BUS_GONE;
    ready("a", 1, NULL, 0);
    expect("-a ");
    assert_true(bus_list_empty(&peer));
    ready("b", 1, NULL, 0);
    expect("1>b ");
}

static void a_lost_worker(void **state)
{
    (void)state;
    worker_t *a = ready("a", 9, NULL, 0);
    CALL(1);
    CALL(2, .repeatable = true);
    ready("b", 1, NULL, 0);
    expect("1>a 2>a ");
    exchange_lose(exchange, a, LOSS_DEAD);
    expect("1=UNAVAILABLE/u 2>b' -a ");
}

static void poison(void **state)
{
    (void)state;
    worker_t *a = ready("a", 2, NULL, 0), *b = ready("b", 1, NULL, 0);
    CALL(1, .repeatable = true);
    exchange_lose(exchange, a, LOSS_DEAD);
    ready("c", 1, NULL, 0);
    exchange_lose(exchange, b, LOSS_DEAD);
    expect("1>a 1>b' -a 1=INTERNAL/u -b ");
    CALL(1, .repeatable = true);
    expect("1=INTERNAL/n ");
}

static void bye_and_drain(void **state)
{
    (void)state;
    worker_t *a = ready("a", 9, NULL, 0);
    CALL(1);
    exchange_drain_worker(exchange, a);
    CALL(2);
    expect("1>a ");
    exchange_lose(exchange, a, LOSS_BYE);
    expect("-a ");
    ready("b", 2, NULL, 0);
    expect("1>b 2>b ");
}

static void suspect_and_back(void **state)
{
    (void)state;
    worker_t *a = ready("a", 2, NULL, 0);
    CALL(1);
    exchange_suspect(exchange, a);
    CALL(2);
    expect("1>a 1=UNAVAILABLE/u ");
    exchange_revive(exchange, a);
    expect("2>a ");
    assert_int_equal(worker_free(a), 0); /* the first one's slot is still owed */
    assert_false(reply(a, 1, MK_OK, 2));
    assert_int_equal(worker_free(a), 1);
}

static void after_a_loss_nothing_says_not_executed(void **state)
{
    (void)state;
    worker_t *a = ready("a", 1, NULL, 0);
    CALL(1, .repeatable = true);
    exchange_lose(exchange, a, LOSS_DEAD);
    pass(2 * SECOND);
    expect("1>a -a 1=NO_WORKERS/u ");
}

static void the_callers_end(void **state)
{
    (void)state;
    worker_t *a = ready("a", 1, NULL, 0);
    request_t *first = CALL(1), *second = CALL(2);
    exchange_client_gone(exchange, second);
    exchange_client_gone(exchange, first);
    expect("1>a 2=CANCELLED/n ");
    assert_true(reply(a, 1, MK_OK, 2));
    assert_int_equal(exchange->open, 0);
}

static void asked_twice(void **state)
{
    (void)state;
    worker_t *a = ready("a", 1, NULL, 0);
    CALL(1);
    assert_null(CALL(1));
    CALL(1, .body = 3);
    CALL(1, .caller = 1); /* another caller's id is another id */
    expect("1>a 1=CONFLICT/n ");
    reply(a, 1, MK_OK, 2);
    expect("1=OK/y 1>a ");
}

static void draining(void **state)
{
    (void)state;
    worker_t *a = ready("a", 1, NULL, 0);
    CALL(1);
    CALL(2);
    exchange_drain(exchange);
    CALL(3);
    reply(a, 1, MK_OK, 2);
    reply(a, 2, MK_OK, 2);
    expect("1>a 3=UNAVAILABLE/n 1=OK/y 2>a 2=OK/y ");
}

static void tags_made_up(void **state)
{
    (void)state;
    worker_t *a = ready("a", 3, NULL, 0);
    CALL(1);
    for (uint64_t bit = 1; bit; bit <<= 1) {
        bus_header header = {.tag = tags[1] ^ bit, .credit = 1000};
        worker_t *owner = exchange_worker_of(exchange, header.tag);
        if (owner) assert_false(exchange_reply(exchange, owner, &header, (bus_slice){NULL, 0}));
    }
    assert_int_equal(worker_free(a), 2);
    reply(a, 1, MK_OK, 2);
    expect("1>a 1=OK/y ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_dispatched_and_answered_once),
        TEST(without_worker_it_waits_for_the_grace),
        TEST(deadlines),
        TEST(queue_limits),
        TEST(most_free_credit_then_longest_idle),
        TEST(batch_waits_and_takes_half),
        TEST(shards_and_epochs),
        TEST(an_epoch_ends),
        TEST(not_owner_goes_on_to_another),
        TEST(rejected_for_ever_ends),
        TEST(undelivered_goes_to_the_next),
        TEST(a_worker_lost_at_once),
        TEST(a_lost_worker),
        TEST(poison),
        TEST(bye_and_drain),
        TEST(suspect_and_back),
        TEST(after_a_loss_nothing_says_not_executed),
        TEST(the_callers_end),
        TEST(asked_twice),
        TEST(draining),
        TEST(tags_made_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
