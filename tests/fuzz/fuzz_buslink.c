/* SPDX-License-Identifier: Apache-2.0 */
/* What brokers may send a caller and worker, in any order: steps of a byte (the link in its lowest bit, what happens
 * above) and what that takes. Every call is answered once, what may not run twice is not sent twice, and no job is
 * answered more often than it came.
 * Parsers: common/bus/call.c common/bus/job.c common/bus/link.c common/bus/bus_route.c common/bus/bus_header.c */
#include "tests/fuzz/fuzz.h"

#include <czmq.h>

#include "common/base/clock.h"
#include "common/bus/bus_own.h"
#include "proto/tap.pb-c.h"
#include "tests/fuzz/said.h"

/* ---- sockets and time of our own ---- */

static uint64_t time_us;
static char socket_of_ours, watch_of_ours;

uint64_t clock_mono_us(void)
{
    return time_us;
}

uint64_t clock_mono_ms(void)
{
    return time_us / 1000;
}

uint64_t clock_wall_ms(void)
{
    return time_us / 1000;
}

uint64_t clock_wall_us(void)
{
    return time_us;
}

static void *fuzz_dealer(void *context, const bus_key *key, const char *server_public)
{
    (void)context, (void)key, (void)server_public;
    return &socket_of_ours;
}

static void *fuzz_watch(void *context, void *socket, int events)
{
    (void)context, (void)socket, (void)events;
    return &watch_of_ours;
}

static mk_code fuzz_key(const char *path, char out[BUS_KEY_TEXT + 1], const char **ret_why)
{
    (void)path, (void)ret_why;
    memset(out, 0, BUS_KEY_TEXT + 1);
    return MK_OK;
}

static bus_sent fuzz_send(bus_outbox *self, void *socket, bus_slice to, zmq_msg_t *msg);

#define bus_socket_dealer fuzz_dealer
#define bus_socket_watch fuzz_watch
#define bus_key_load_public fuzz_key
#define bus_outbox_send fuzz_send
#define bus_poll_start(poll, socket) ((void)(poll))
#define bus_poll_stop(poll) ((void)(poll))
#define bus_poll_recv(poll, msg) ((void)(poll), (void)(msg), false)
#define bus_poll_sent(poll) ((void)(poll))
#define zmq_connect(socket, endpoint) 0
#define zmq_setsockopt(socket, option, value, size) ((void)(value))
#define zmq_close(socket) ((void)(socket))
#include "common/bus/link.c"
/* its settings have names that parameters there have, too */
#include "common/bus/bus.c"

/* ---- what must hold ---- */

enum { CALLS = 32, HELD = 8 };

static bus_peer_t *peer;
static struct {
    unsigned sent, refused; /* refused: told that it did not run */
    bool open, repeatable, calling;
} calls[CALLS + 1]; /* by id */
static bus_job_t *held[HELD];
static unsigned dispatched, answered;
static bus_sent next_sent;

static bool read_frame(zmq_msg_t *msg, bus_frame *frame, bus_header *header)
{
    return bus_frame_parse(zmq_msg_data(msg), zmq_msg_size(msg), frame) == MK_OK &&
           bus_header_decode(frame->header.data, frame->header.size, header, NULL) == MK_OK;
}

static bus_sent fuzz_send(bus_outbox *self, void *socket, bus_slice to, zmq_msg_t *msg)
{
    bus_frame frame;
    bus_header header;
    bus_sent sent = next_sent;
    (void)self, (void)to;
    HOLDS(socket == &socket_of_ours && read_frame(msg, &frame, &header));
    next_sent = BUS_SENT;
    bool reached = sent == BUS_SENT || sent == BUS_QUEUED;
    if (frame.command == BUS_CALL) {
        HOLDS(header.tag >= 1 && header.tag <= CALLS && calls[header.tag].open && header.timeout_ms >= 1);
        calls[header.tag].sent += reached;
        HOLDS(calls[header.tag].repeatable || calls[header.tag].sent <= 1 + calls[header.tag].refused);
    }
    if (frame.command == BUS_REPLY || frame.command == BUS_REJECT) HOLDS(++answered <= dispatched);
    zmq_msg_close(msg);
    return sent;
}

static void on_told(const bus_reply *reply, void *arg)
{
    size_t id = (size_t)(uintptr_t)arg;
    HOLDS(calls[id].open && !calls[id].calling);
    HOLDS(mk_code_find(reply->code)->code == reply->code && strlen(reply->detail) <= 128);
    HOLDS(reply->executed >= BUS_EXECUTED_NO && reply->executed <= BUS_EXECUTED_UNKNOWN);
    HOLDS(reply->executed != BUS_EXECUTED_NO || calls[id].sent <= calls[id].refused);
    calls[id].open = false;
}

static void answer(bus_job_t *job)
{
    size_t size = 0;
    const uint8_t *body = bus_job_body(job, &size);
    HOLDS(strlen(bus_job_caller(job)) <= 32 && bus_job_request_id(job) != NULL);
    bus_job_reply_bytes(job, (mk_code)(size % 20), bus_job_method(job), body, size);
}

static void do_now(bus_job_t *job, void *ctx)
{
    (void)ctx;
    answer(job);
}

static void do_typed(bus_job_t *job, void *ctx)
{
    (void)ctx;
    bus_job_reply(job, MK_OK, NULL, bus_job_message(job));
}

static void do_later(bus_job_t *job, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < HELD; i++) {
        if (held[i] != NULL) continue;
        held[i] = job;
        return;
    }
    answer(job);
}

/* ---- steps ---- */

static void take_bytes(bus_link *link, const void *data, size_t size)
{
    zmq_msg_t msg;
    bus_frame frame;
    bus_header header = {0};
    if (!link->socket) return;
    HOLDS(zmq_msg_init_size(&msg, size) == 0);
    memcpy(zmq_msg_data(&msg), data, size);
    bool whole = read_frame(&msg, &frame, &header);
    dispatched += whole && frame.command == BUS_DISPATCH;
    bool refused = whole && frame.command == BUS_REPLY && header.executed == BUS_EXECUTED_NO && header.tag <= CALLS;
    if (refused) calls[header.tag].refused++;
    take(link, &msg);
    zmq_msg_close(&msg);
}

static void say_packet(bus_link *link)
{
    static uint8_t packet[4096];
    take_bytes(link, packet, (size_t)fuzz_hear_packet(packet, sizeof packet));
}

static void say_frame(bus_link *link, bus_command command, const bus_header *header)
{
    zmq_msg_t msg;
    if (bus_frame_build(&msg, command, header, (bus_slice){(const uint8_t *)"body", 4}) != MK_OK) return;
    take_bytes(link, zmq_msg_data(&msg), zmq_msg_size(&msg));
    zmq_msg_close(&msg);
}

/* An answer to one of our calls: which, the code, whether it ran, when to come again. */
static void say_answer(bus_link *link)
{
    uint8_t b[4] = {0};
    (void)fuzz_hear(b, sizeof b);
    say_frame(
        link, BUS_REPLY,
        &(bus_header){.tag = b[0] % (CALLS + 1), .code = b[1] % 64, .executed = b[2] % 4, .retry_after_ms = b[3]});
}

static void say_dispatch(bus_link *link)
{
    static const char *const names[] = {"Now", "Later", "Typed", "None"};
    static const uint8_t id[BUS_ID_SIZE];
    uint8_t b[3] = {0};
    (void)fuzz_hear(b, sizeof b);
    say_frame(link, BUS_DISPATCH,
              &(bus_header){.service = bus_slice_text("s"),
                            .method = bus_slice_text(names[b[0] % 4]),
                            .request_id = {id, sizeof id},
                            .tag = b[1],
                            .caller = bus_slice_text("somebody"),
                            .timeout_ms = b[2] * 100});
}

static void make_call(bus_link *link)
{
    static const char *const methods[] = {"M", "N"};
    uint8_t flags = 0;
    uint64_t id = peer->last_id + 1;
    if (id > CALLS) return;
    (void)fuzz_hear(&flags, 1);
    bus_request request = {.service = "s",
                           .method = methods[flags >> 2 & 1],
                           .timeout_ms = 1 + (flags >> 3) * 500,
                           .repeatable = flags & 1,
                           .broker = flags & 2 ? link->name : NULL};
    calls[id].open = calls[id].calling = true;
    calls[id].repeatable = request.repeatable;
    (void)bus_call(peer, &request, on_told, (void *)(uintptr_t)id);
    HOLDS(peer->last_id == id && calls[id].open);
    calls[id].calling = false;
}

static void cancel_call(bus_link *link)
{
    uint8_t id = 0;
    (void)link;
    (void)fuzz_hear(&id, 1);
    unsigned before = bus_calls_outstanding(peer);
    bus_cancel(peer, id);
    if (bus_calls_outstanding(peer) == before) return; /* done, or refused and about to be told so */
    HOLDS(calls[id].open);
    calls[id].open = false;
}

static void end_job(bus_link *link)
{
    uint8_t which = 0;
    (void)link;
    (void)fuzz_hear(&which, 1);
    bus_job_t *job = held[which % HELD];
    held[which % HELD] = NULL;
    if (job != NULL) answer(job);
}

static void let_time_pass(uint64_t us)
{
    time_us += us;
    on_alarm(peer);
    on_later(peer);
    tick_links(peer);
}

static void wait_or_lose(bus_link *link)
{
    uint8_t how = 0;
    (void)fuzz_hear(&how, 1);
    if (how == 0 && link->socket)
        lose(link);
    else
        let_time_pass(how * 50000ull);
}

static void send_badly(bus_link *link)
{
    uint8_t how = 0;
    (void)link;
    (void)fuzz_hear(&how, 1);
    next_sent = (bus_sent)(how % 4);
}

static void (*const steps[])(bus_link *link) = {say_packet,  say_answer, say_dispatch, make_call,
                                                cancel_call, end_job,    wait_or_lose, send_badly};

static void set_up(void)
{
    static const bus_method methods[] = {
        {"Now", do_now, NULL}, {"Later", do_later, NULL}, {"Typed", do_typed, &mykey__tap_statement__descriptor}};
    static const bus_service service = {
        .name = "s", .api_major = 1, .credit = 4, .methods = methods, .method_count = 3};
    static char a[] = "ipc://a", b[] = "ipc://b";
    static metrics_t *metrics;
    static bus_metrics declared; /* once */
    broker_a = a;
    broker_b = b;
    time_us = 1000000000;
    memset(calls, 0, sizeof calls);
    memset(held, 0, sizeof held);
    dispatched = answered = 0;
    next_sent = BUS_SENT;
    peer = peer_alloc(zloop_new(), "fuzz");
    peer->random_left = sizeof peer->random;
    if (metrics == NULL) {
        metrics = metrics_new();
        declare_metrics(peer, metrics);
        declared = peer->metrics;
    }
    peer->metrics = declared;
    peer->has_metrics = true;
    bus_serve(peer, &service);
    start(peer);
}

static void end_all(void)
{
    let_time_pass(1000ull * BUS_TIMEOUT_MAX_MS);
    HOLDS(bus_calls_outstanding(peer) == 0);
    for (size_t id = 1; id <= CALLS; id++) HOLDS(!calls[id].open);
    zloop_t *loop = peer->loop;
    bus_alarm_stop(&peer->alarm);
    bus_alarm_stop(&peer->flush);
    bus_alarm_stop(&peer->later);
    bus_peer_destroy(&peer);
    zloop_destroy(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t step;
    set_up();
    fuzz_say(data, size);
    while (fuzz_hear(&step, 1) == 1) steps[step >> 1 & 7](&peer->links[step & 1]);
    end_all();
    return 0;
}
