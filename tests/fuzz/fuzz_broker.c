/* SPDX-License-Identifier: Apache-2.0 */
/* What connected principals may send the broker, in any order: steps of a byte (the peer in its low two bits, what
 * happens above) and what that takes. Everybody gets only what the list of principals allows, a call has at most one
 * answer, nothing waits that somebody could do, and in the end nothing is left. Parsers: services/broker/commands.c
 * services/broker/exchange.c services/broker/lane.c services/broker/worker.c services/broker/introspect.c
 * common/bus/bus_header.c */
#include "tests/fuzz/fuzz.h"

#include "common/log/log.h"
#include "services/broker/broker_own.h"
#include "tests/fuzz/said.h"

static bus_sent fuzz_send(peers_t *peers, peer_t *peer, bus_command command, const bus_header *header, bus_slice body);

#define peers_send fuzz_send
#include "services/broker/commands.c"

#define KEY_A "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_B "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define KEY_C "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
#define KEY_D "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

static const char *const keys[] = {KEY_A, KEY_B, KEY_C, KEY_D};
static const char table[] =
    "principal\n    a\n        key = \"" KEY_A "\"\n        call = \"s.*\"\n        call = \"u.M\"\n"
    "        call = \"bus.Ping\"\n        call = \"bus.Info\"\n        call = \"bus.Stats\"\n"
    "    b\n        key = \"" KEY_B "\"\n        serve = s\n        call = \"u.*\"\n"
    "    c\n        key = \"" KEY_C "\"\n        serve = s\n        serve = u\n"
    "    d\n        key = \"" KEY_D "\"\n        serve = s\n        call = \"s.M\"\n";

enum { PEERS = 4, TAGS = 16, SECOND = 1000000 };

static broker_t broker;
static struct {
    peer_t *peer;
    unsigned calls, answers;
    uint64_t tags[TAGS]; /* of what it was sent to do */
    unsigned tag_count;
} at[PEERS];
static bus_sent next_sent;
static bool was_full; /* something may stay in a queue then */

/* ---- what the broker sends ---- */

static unsigned index_of(const peer_t *peer)
{
    return (unsigned)peer->id[0];
}

static bool is_allowed(const bus_header *header)
{
    for (unsigned i = 0; i < PEERS; i++) {
        const acl_entry *entry = acl_find(broker.acl, keys[i]);
        if (bus_slice_is(header->caller, acl_principal(entry)->name))
            return acl_may_call(entry, header->service, header->method);
    }
    return false;
}

static void check_dispatch(const peer_t *peer, const bus_header *header)
{
    unsigned i = index_of(peer);
    HOLDS(acl_may_serve(peer->entry, header->service) && is_allowed(header));
    HOLDS(header->timeout_ms >= 1 && header->timeout_ms <= BUS_TIMEOUT_MAX_MS && header->request_id.size == 16);
    at[i].tags[at[i].tag_count++ % TAGS] = header->tag;
}

static void check_message(const peer_t *peer, zmq_msg_t *msg, bool has_header)
{
    bus_frame frame;
    bus_header header = {0};
    HOLDS(bus_frame_parse(zmq_msg_data(msg), zmq_msg_size(msg), &frame) == MK_OK);
    if (has_header) HOLDS(bus_header_decode(frame.header.data, frame.header.size, &header, NULL) == MK_OK);
    if (frame.command == BUS_DISPATCH) check_dispatch(peer, &header);
    if (frame.command == BUS_REPLY) at[index_of(peer)].answers++;
    HOLDS(at[index_of(peer)].answers <= at[index_of(peer)].calls);
}

static bus_sent fuzz_send(peers_t *peers, peer_t *peer, bus_command command, const bus_header *header, bus_slice body)
{
    zmq_msg_t msg;
    bus_sent sent = next_sent;
    if (peer->gone) return BUS_GONE;
    next_sent = BUS_SENT;
    if (bus_frame_build(&msg, command, header, body) != MK_OK)
        sent = BUS_FULL;
    else
        check_message(peer, &msg, header != NULL), zmq_msg_close(&msg);
    if (sent == BUS_GONE) peers_mark_gone(peers, peer);
    was_full = was_full || sent == BUS_FULL;
    return sent;
}

/* ---- what must hold between two steps ---- */

static size_t count(const bus_list *list)
{
    size_t members = 0;
    BUS_LIST_EACH(node, list) members++;
    return members;
}

/* Nobody who could take the first of a queue has room. */
static size_t check_lane(lane_t *lane)
{
    HOLDS(lane->member_count >= 1 && lane->member_count <= EXCHANGE_WORKERS_MAX);
    for (int q = 0; q < 2 && !was_full; q++) {
        bus_list *first = bus_list_first(&lane->queue[q]);
        HOLDS(first == NULL || lane_pick(lane, BUS_OWNER(first, request_t, link)) == NULL);
    }
    return count(&lane->queue[0]) + count(&lane->queue[1]);
}

static size_t check_worker(const worker_t *worker, size_t *queued)
{
    size_t at_work = count(&worker->in_flight);
    HOLDS(worker->state != WORKER_GONE && worker->window <= EXCHANGE_CREDIT_MAX && worker->batch <= worker->used);
    HOLDS(at_work <= worker->used && worker->used <= EXCHANGE_CREDIT_MAX);
    HOLDS(!((peer_t *)worker->peer)->gone &&
          acl_may_serve(((peer_t *)worker->peer)->entry, bus_slice_text(worker->service->name)));
    for (unsigned i = 0; i < worker->lane_count; i++)
        if (worker->lanes[i]->members[0].worker == worker) *queued += check_lane(worker->lanes[i]);
    return at_work;
}

static size_t check_service(const service_t *service)
{
    size_t queued = count(&service->waiting), at_work = 0;
    BUS_LIST_EACH(node, &service->waiting)
    {
        const request_t *request = BUS_OWNER(node, request_t, link);
        const lane_t *lane = lane_for(service, request->header.api_major, request->header.shard);
        HOLDS(lane == NULL || !lane_offers(lane, request));
    }
    HOLDS(count(&service->workers) == service->worker_count);
    BUS_LIST_EACH(node, &service->workers) at_work += check_worker(BUS_OWNER(node, worker_t, link), &queued);
    HOLDS(queued == service->queued && at_work == service->in_flight);
    return queued + at_work;
}

static void check_all(void)
{
    size_t open = 0;
    for (unsigned i = 0; i < broker.exchange->service_count; i++) open += check_service(broker.exchange->services[i]);
    HOLDS(open == broker.exchange->open && open == broker.exchange->requests.count);
}

/* ---- steps ---- */

static peer_t *get_peer(unsigned i)
{
    const uint8_t id = (uint8_t)i;
    if (at[i].peer != NULL) return at[i].peer;
    at[i].peer = peers_add(&broker.peers, (bus_slice){&id, 1}, keys[i]);
    HOLDS(at[i].peer != NULL);
    at[i].peer->entry = acl_find(broker.acl, keys[i]);
    HOLDS(at[i].peer->entry != NULL);
    at[i].calls = at[i].answers = 0;
    return at[i].peer;
}

static void bury(peer_t *peer)
{
    at[index_of(peer)].peer = NULL;
    broker_bury(&broker, peer);
}

static void settle(void)
{
    exchange_settle(broker.exchange);
    for (bus_list *node; (node = bus_list_first(&broker.peers.gone));) bury(BUS_OWNER(node, peer_t, gone_link));
}

/* An answer to what was sent to others, or the cancelling of a call while one has none. */
static bool is_of_others(const peer_t *peer, const bus_frame *frame)
{
    bus_header header;
    if (bus_header_decode(frame->header.data, frame->header.size, &header, NULL) != MK_OK) return false;
    if (frame->command == BUS_CANCEL) return bus_list_empty(&peer->requests);
    const worker_t *worker = exchange_worker_of(broker.exchange, header.tag);
    return (frame->command == BUS_REPLY || frame->command == BUS_REJECT) && (!worker || worker->peer != peer);
}

static void take(unsigned i, const void *data, size_t size)
{
    zmq_msg_t msg;
    bus_frame frame;
    mk_code code = bus_frame_parse(data, size, &frame);
    HOLDS(zmq_msg_init_size(&msg, size) == 0);
    memcpy(zmq_msg_data(&msg), data, size);
    peer_t *peer = get_peer(i);
    at[i].calls += (code == MK_OK || code == MK_TOO_LARGE) && frame.command == BUS_CALL;
    uint32_t open = broker.exchange->open;
    bool is_foreign = code == MK_OK && is_of_others(peer, &frame);
    broker_take(&broker, peer, &msg);
    HOLDS(!is_foreign || broker.exchange->open == open);
    zmq_msg_close(&msg);
}

static void say_packet(unsigned i)
{
    static uint8_t packet[4096];
    take(i, packet, (size_t)fuzz_hear_packet(packet, sizeof packet));
}

/* An answer to something that the peer, or another, was sent: which, the command, the code, credit, whether it ran. */
static void say_answer(unsigned i)
{
    uint8_t b[5] = {0};
    zmq_msg_t msg;
    (void)fuzz_hear(b, sizeof b);
    uint64_t tag = at[(i + b[0] / TAGS) % PEERS].tags[b[0] % TAGS];
    bus_header header = {.tag = tag, .code = b[2] % 64, .credit = b[3], .executed = b[4] % 4};
    bus_command command = b[1] & 1 ? BUS_REJECT : BUS_REPLY;
    if (bus_frame_build(&msg, command, &header, (bus_slice){b, b[1] % 5}) != MK_OK) return;
    take(i, zmq_msg_data(&msg), zmq_msg_size(&msg));
    zmq_msg_close(&msg);
}

static void wait_a_while(unsigned i)
{
    uint8_t steps = 0;
    (void)i;
    (void)fuzz_hear(&steps, 1);
    exchange_set_time(broker.exchange, broker.exchange->now_us + steps * (uint64_t)(SECOND / 4));
    exchange_expire(broker.exchange);
}

static void end_connection(unsigned i)
{
    bury(get_peer(i));
}

static void fall_silent(unsigned i)
{
    bus_list *node = bus_list_first(&get_peer(i)->workers);
    if (node != NULL) exchange_suspect(broker.exchange, BUS_OWNER(node, worker_t, peer_link));
}

static void speak_again(unsigned i)
{
    BUS_LIST_EACH(node, &get_peer(i)->workers) exchange_revive(broker.exchange, BUS_OWNER(node, worker_t, peer_link));
}

static void send_badly(unsigned i)
{
    static const bus_sent how[] = {BUS_SENT, BUS_QUEUED, BUS_GONE, BUS_FULL};
    next_sent = how[i];
}

static void say_ping(unsigned i)
{
    take(i, "B1\x0a\0\0\0", BUS_FRAME_PREFIX);
}

static void (*const steps[])(unsigned i) = {say_packet,  say_answer,  wait_a_while, end_connection,
                                            fall_silent, speak_again, send_badly,   say_ping};

static void set_up(void)
{
    static metrics_t *metrics;
    const exchange_port port = {broker_dispatch, broker_cancel, broker_answer, broker_worker_dropped, &broker};
    const exchange_limits limits = {6, 10000, 4, 2 * SECOND};
    const char *why = NULL;
    if (metrics == NULL) {
        log_open("fuzz", "fuzz", LEVEL_ERROR);
        metrics = metrics_new();
        broker.options.instance = "fuzz";
        broker.names = acl_names_new();
        broker_metrics_declare(&broker, metrics);
        HOLDS(acl_parse(broker.names, table, &broker.acl, &why) == MK_OK);
    }
    peers_init(&broker.peers, &broker.router_poll, PEERS);
    broker.exchange = exchange_new(&port, &limits);
    exchange_set_time(broker.exchange, 100 * (uint64_t)SECOND);
    exchange_add_service(broker.exchange, "s");
    exchange_add_service(broker.exchange, "u");
    memset(at, 0, sizeof at);
    next_sent = BUS_SENT;
    was_full = false;
}

static void end_all(void)
{
    exchange_set_time(broker.exchange, broker.exchange->now_us + (BUS_TIMEOUT_MAX_MS / 1000 + 1) * (uint64_t)SECOND);
    exchange_expire(broker.exchange);
    settle();
    HOLDS(broker.exchange->open == 0);
    for (unsigned i = 0; i < PEERS; i++)
        if (at[i].peer != NULL) bury(at[i].peer);
    check_all();
    exchange_destroy(&broker.exchange);
    peers_free(&broker.peers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t step;
    set_up();
    fuzz_say(data, size);
    while (fuzz_hear(&step, 1) == 1) {
        exchange_set_time(broker.exchange, broker.exchange->now_us + 1000);
        steps[step >> 2 & 7](step & 3);
        settle();
        check_all();
    }
    end_all();
    return 0;
}
