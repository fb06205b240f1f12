/* SPDX-License-Identifier: Apache-2.0 */
/* Heap, map, key files, and the library without a broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bus/bus.h"
#include "common/bus/bus_heap.h"
#include "common/bus/bus_key.h"
#include "common/bus/bus_map.h"
#include "common/bus/bus_poll.h"
#include "common/bus/bus_route.h"

static void heap_gives_the_earliest(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static bus_heap_node nodes[COUNT];
    bus_heap heap = {0};
    srandom(7);
    for (int i = 0; i < COUNT; i++) bus_heap_set(&heap, &nodes[i], (uint64_t)random() % 1000);
    for (int i = 0; i < COUNT; i += 3) bus_heap_set(&heap, &nodes[i], (uint64_t)random() % 1000);
    for (int i = 1; i < COUNT; i += 5) bus_heap_remove(&heap, &nodes[i]);
    bus_heap_remove(&heap, &nodes[1]);
    uint64_t last = 0;
    size_t count = 0;
    for (bus_heap_node *node; (node = bus_heap_first(&heap)); count++) {
        assert_true(node->when_us >= last);
        last = node->when_us;
        bus_heap_remove(&heap, node);
    }
    assert_int_equal(count, COUNT - COUNT / 5);
    bus_heap_free(&heap);
}

static void map_finds_all_and_only_what_is_in(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    typedef struct item {
        bus_map_node node;
        int key;
    } item;
    item *items = calloc(COUNT, sizeof *items);
    bus_map map;
    bus_map_init(&map);
    for (int i = 0; i < COUNT; i++) {
        items[i].key = i;
        bus_map_add(&map, &items[i].node, bus_hash(0, &i, sizeof i) % 1000); /* many share a hash */
    }
    for (int i = 0; i < COUNT; i += 2) bus_map_remove(&map, &items[i].node);
    for (int i = 0; i < COUNT; i++) {
        bool found = false;
        for (bus_map_node *node = NULL; (node = bus_map_find(&map, bus_hash(0, &i, sizeof i) % 1000, node));)
            found = found || node == &items[i].node;
        assert_true(found == (i % 2 == 1));
    }
    assert_int_equal(map.count, COUNT / 2);
    bus_map_free(&map);
    free(items);
}

static char folder[] = "/tmp/mkbuskey-XXXXXX";
static char secret[64], public[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(secret, sizeof secret, "%s/a.key", folder);
    snprintf(public, sizeof public, "%s/a.pub", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(secret);
    unlink(public);
    return rmdir(folder);
}

static void key_files(void **state)
{
    (void)state;
    bus_key key;
    char text[BUS_KEY_TEXT + 1];
    const char *why = NULL;
    struct stat st;
    assert_int_equal(bus_key_load_secret(secret, &key, &why), MK_UNAVAILABLE);
    assert_int_equal(bus_key_create(secret, public), MK_OK);
    assert_true(stat(secret, &st) == 0 && (st.st_mode & 07777) == 0400);
    assert_int_equal(bus_key_create(secret, public), MK_CONFLICT);
    assert_int_equal(bus_key_load_secret(secret, &key, &why), MK_OK);
    assert_int_equal(bus_key_load_public(public, text, &why), MK_OK);
    assert_string_equal(text, key.public_text);
    assert_int_equal(bus_key_load_public(secret, text, &why), MK_OK);
    assert_int_equal(bus_key_load_secret(public, &key, &why), MK_UNAVAILABLE); /* mode 0444, no secret */
    assert_int_equal(chmod(secret, 0440), 0);
    assert_int_equal(bus_key_load_secret(secret, &key, &why), MK_UNAVAILABLE);
    assert_string_equal(why, "must have mode 0400");
    assert_int_equal(bus_key_load_secret("/", &key, &why), MK_UNAVAILABLE);
    zcert_t *cert = zcert_load(public);
    assert_non_null(cert); /* czmq reads it too */
    assert_string_equal(zcert_public_txt(cert), text);
    zcert_destroy(&cert);
    assert_int_equal(chmod(public, 0600), 0);
    FILE *file = fopen(public, "a");
    assert_true(file != NULL && fprintf(file, "#%01000d\n", 0) > 0 && fclose(file) == 0);
    assert_int_equal(bus_key_load_public(public, text, &why), MK_UNAVAILABLE); /* zconfig must not see such a line */
}

static void key_texts(void **state)
{
    (void)state;
    assert_true(bus_key_text_valid("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"));
    assert_false(bus_key_text_valid(""));
    assert_false(bus_key_text_valid("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf"));
    assert_false(bus_key_text_valid("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf\""));
}

/* ---- routes ---- */

static const uint64_t second = 1000000;

static bus_route *fail_often(bus_routes *routes, uint64_t now_us, unsigned times)
{
    bus_route *route = bus_routes_get(routes, "echo", "Echo", 0);
    for (unsigned i = 0; i < times; i++) {
        assert_int_equal(bus_route_enter(route, now_us), ROUTE_ADMITTED);
        (void)bus_route_answered(route, false, MK_DEADLINE_EXCEEDED, BUS_EXECUTED_UNKNOWN, now_us);
    }
    return route;
}

static void breaker_opens_and_a_probe_decides(void **state)
{
    (void)state;
    bus_routes routes;
    bus_routes_init(&routes);
    bus_route *route = fail_often(&routes, second, ROUTE_FAILURES_MAX);
    assert_int_equal(bus_route_enter(route, second + 499999), ROUTE_OPEN);
    assert_int_equal(bus_route_enter(route, second + 500000), ROUTE_PROBE);
    assert_int_equal(bus_route_enter(route, second + 500000), ROUTE_OPEN);
    assert_false(bus_route_answered(route, true, MK_NO_WORKERS, BUS_EXECUTED_NO, 2 * second)); /* stays open */
    assert_int_equal(bus_route_enter(route, 2 * second + 999999), ROUTE_OPEN);
    assert_int_equal(bus_route_enter(route, 3 * second), ROUTE_PROBE);
    bus_route_abandoned(route);
    assert_int_equal(bus_route_enter(route, 3 * second), ROUTE_PROBE);
    assert_true(bus_route_answered(route, true, MK_NOT_LINKED, BUS_EXECUTED_YES, 3 * second));
    assert_int_equal(bus_route_enter(route, 3 * second), ROUTE_ADMITTED);
    bus_routes_free(&routes);
}

static void breaker_pause_has_an_end(void **state)
{
    (void)state;
    bus_routes routes;
    bus_routes_init(&routes);
    bus_route *route = fail_often(&routes, 0, ROUTE_FAILURES_MAX);
    uint64_t now = 0;
    for (unsigned i = 0; i < 10; i++) {
        now += ROUTE_PAUSE_MAX_MS * 1000ull;
        assert_int_equal(bus_route_enter(route, now), ROUTE_PROBE);
        (void)bus_route_answered(route, true, MK_UNAVAILABLE, BUS_EXECUTED_UNKNOWN, now);
    }
    bus_routes_free(&routes);
}

static void breaker_counts_only_the_services_own_failures_in_a_row(void **state)
{
    (void)state;
    static const struct {
        mk_code code;
        bus_executed executed;
    } others[] = {{MK_OK, BUS_EXECUTED_YES}, {MK_BUSY, BUS_EXECUTED_NO}, {MK_UNAVAILABLE, BUS_EXECUTED_NO}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        bus_routes routes;
        bus_routes_init(&routes);
        bus_route *route = fail_often(&routes, 0, ROUTE_FAILURES_MAX - 1);
        (void)bus_route_answered(route, false, others[i].code, others[i].executed, 0);
        (void)fail_often(&routes, 0, ROUTE_FAILURES_MAX - 1);
        assert_int_equal(bus_route_enter(route, 0), ROUTE_ADMITTED);
        bus_routes_free(&routes);
    }
}

static void breaker_is_one_for_each_method_and_group_of_shards(void **state)
{
    (void)state;
    bus_routes routes;
    bus_routes_init(&routes);
    bus_route *route = fail_often(&routes, 0, ROUTE_FAILURES_MAX);
    assert_true(bus_route_is_open(route));
    assert_false(bus_route_is_open(bus_routes_get(&routes, "echo", "Tell", 0)));
    assert_false(bus_route_is_open(bus_routes_get(&routes, "other", "Echo", 0)));
    assert_false(bus_route_is_open(bus_routes_get(&routes, "echo", "Echo", 1)));
    for (uint32_t shard = 0; shard < 10000; shard++) (void)bus_routes_get(&routes, "echo", "Echo", shard);
    assert_int_equal(routes.by_name.count, ROUTE_SHARD_GROUPS + 2);
    bus_routes_free(&routes);
}

/* Failures of calls that were out before it opened don't make the pause longer; a late success ends it. */
static void breaker_hears_late_answers(void **state)
{
    (void)state;
    bus_routes routes;
    bus_routes_init(&routes);
    bus_route *route = fail_often(&routes, 0, ROUTE_FAILURES_MAX);
    assert_false(bus_route_answered(route, false, MK_DEADLINE_EXCEEDED, BUS_EXECUTED_UNKNOWN, 400000));
    assert_int_equal(bus_route_enter(route, 500000), ROUTE_PROBE);
    assert_true(bus_route_answered(route, false, MK_OK, BUS_EXECUTED_YES, 500000));
    assert_false(bus_route_is_open(route));
    bus_routes_free(&routes);
}

static void retries_are_a_tenth(void **state)
{
    (void)state;
    bus_routes routes;
    bus_routes_init(&routes);
    bus_route *route = bus_routes_get(&routes, "echo", "Echo", 0);
    unsigned spent = 0;
    for (unsigned i = 0; i < 1000; i++) {
        (void)bus_route_enter(route, 0);
        spent += bus_route_spend_retry(route);
    }
    assert_in_range(spent, 100, 111);
    bus_routes_free(&routes);
}

/* ---- polling by descriptor ---- */

typedef struct polled {
    zloop_t *loop;
    void *context, *here, *there;
    bus_poll poll;
    unsigned seen, at_once; /* read at_once messages a call */
    bool answers;           /* the first call sends when it has read all, and that swallows the news of one more */
} polled;

static void send_from_there(polled *self, unsigned count)
{
    for (unsigned i = 0; i < count; i++) assert_int_equal(zmq_send(self->there, "x", 1, ZMQ_DONTWAIT), 1);
}

/* What send does now and then: it takes the descriptor's news for itself. */
static void swallow_news(void *socket)
{
    int events;
    size_t size = sizeof events;
    assert_int_equal(zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size), 0);
}

static void answer(polled *self)
{
    if (!self->answers) return;
    self->answers = false;
    send_from_there(self, 1);
    swallow_news(self->here);
    bus_poll_sent(&self->poll);
}

static void read_some(void *arg)
{
    polled *self = arg;
    for (unsigned i = 0; i < self->at_once; i++) {
        zmq_msg_t msg;
        zmq_msg_init(&msg);
        bool got = bus_poll_recv(&self->poll, &msg);
        zmq_msg_close(&msg);
        if (!got) break;
        self->seen++;
    }
    answer(self);
}

static int end_loop(zloop_t *loop, int timer, void *arg)
{
    (void)loop, (void)timer, (void)arg;
    return -1;
}

static polled *polled_new(unsigned at_once)
{
    polled *self = calloc(1, sizeof *self);
    self->loop = zloop_new();
    self->context = zmq_ctx_new();
    self->here = zmq_socket(self->context, ZMQ_PAIR);
    self->there = zmq_socket(self->context, ZMQ_PAIR);
    self->at_once = at_once;
    assert_int_equal(zmq_bind(self->here, "inproc://polled"), 0);
    assert_int_equal(zmq_connect(self->there, "inproc://polled"), 0);
    bus_poll_init(&self->poll, self->loop, read_some, self);
    return self;
}

static void run_for(polled *self, size_t ms)
{
    zloop_timer(self->loop, ms, 1, end_loop, NULL);
    zloop_start(self->loop);
}

static void polled_free(polled *self)
{
    bus_poll_stop(&self->poll);
    zmq_close(self->here);
    zmq_close(self->there);
    zmq_ctx_term(self->context);
    zloop_destroy(&self->loop);
    free(self);
}

static void poll_tells_what_came_before_it(void **state)
{
    (void)state;
    polled *self = polled_new(100);
    send_from_there(self, 2);
    swallow_news(self->here);
    bus_poll_start(&self->poll, self->here);
    run_for(self, 20);
    assert_int_equal(self->seen, 2);
    polled_free(self);
}

static void poll_calls_again_who_stops_early(void **state)
{
    (void)state;
    polled *self = polled_new(1);
    bus_poll_start(&self->poll, self->here);
    send_from_there(self, 5);
    run_for(self, 20);
    assert_int_equal(self->seen, 5);
    polled_free(self);
}

static void poll_misses_nothing_that_sending_swallowed(void **state)
{
    (void)state;
    polled *self = polled_new(100);
    bus_poll_start(&self->poll, self->here);
    run_for(self, 1);
    send_from_there(self, 1);
    swallow_news(self->here);
    bus_poll_sent(&self->poll);
    run_for(self, 20);
    assert_int_equal(self->seen, 1);
    polled_free(self);
}

static void poll_misses_nothing_that_answering_swallowed(void **state)
{
    (void)state;
    polled *self = polled_new(100);
    self->answers = true;
    bus_poll_start(&self->poll, self->here);
    send_from_there(self, 1);
    run_for(self, 20);
    assert_int_equal(self->seen, 2);
    polled_free(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_gives_the_earliest),
        cmocka_unit_test(map_finds_all_and_only_what_is_in),
        cmocka_unit_test_setup_teardown(key_files, make_folder, remove_folder),
        cmocka_unit_test(key_texts),
        cmocka_unit_test(breaker_opens_and_a_probe_decides),
        cmocka_unit_test(breaker_pause_has_an_end),
        cmocka_unit_test(breaker_counts_only_the_services_own_failures_in_a_row),
        cmocka_unit_test(breaker_is_one_for_each_method_and_group_of_shards),
        cmocka_unit_test(breaker_hears_late_answers),
        cmocka_unit_test(retries_are_a_tenth),
        cmocka_unit_test(poll_tells_what_came_before_it),
        cmocka_unit_test(poll_calls_again_who_stops_early),
        cmocka_unit_test(poll_misses_nothing_that_sending_swallowed),
        cmocka_unit_test(poll_misses_nothing_that_answering_swallowed),
    };
    setenv("ZSYS_SIGHANDLER", "false", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
