/* SPDX-License-Identifier: Apache-2.0 */
/* The callers of bench_lookup: 8 callers on the bus with 16 Resolves in flight each, one person a call, a ticket sealed
 * for each call, each answer checked. Meanwhile one person's number is unlinked and linked again, and after each
 * acknowledgement every caller must see it at once. Prints one JSON line. */
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/bus/bus.h"
#include "common/daemon/daemon.h"
#include "common/keyfile/keyfile.h"
#include "common/tap/tap.h"
#include "common/ticket/ticket.h"
#include "proto/registry.pb-c.h"

enum { CALLERS = 8, TOGGLE_MS = 50, TIMEOUT_MS = 5000, NUMBER_DIGITS = 10, BUCKETS = 4096, BUCKET_US = 50 };

static char *ticket_keys;
static int64_t persons, inflight, run_ms;
static const conf_row rows[] = {
    CONF_ROW_TEXT("load.ticket_keys", ticket_keys, NULL, "Key file of tap tickets."),
    CONF_ROW_NUMBER("load.persons", persons, NULL, 2, 1000000000, "Persons in the registry; the first is toggled."),
    CONF_ROW_NUMBER("load.inflight", inflight, "16", 1, 1000, "Calls in flight, each caller."),
    CONF_ROW_NUMBER("load.ms", run_ms, "3000", 1, 600000, "How long (ms)."),
};

typedef struct lookup {
    bus_peer_t *peer;
    uint64_t sent_us;
    int64_t person;
} lookup;

static daemon_t *process;
static zloop_t *loop;
static keyring_t *keys;
static bus_peer_t *peers[CALLERS];
static unsigned connected, under_way;
static uint64_t started_us, until_us, done, wrong, toggles, checks, stale, took[BUCKETS];
static bool linked = true;
static unsigned checking;

static char operator_id[] = "B1", terminal_id[] = "t-bench", consumer[] = "registry", terms[] = "1";

/* The kernel's random bytes once; then xorshift: the load is to be made cheaply. */
static uint64_t next_random(void)
{
    static uint64_t x;
    if (x == 0) bytes_random((uint8_t *)&x, sizeof x);
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* ---- requests ---- */

static void number_of(int64_t person, char out[NUMBER_DIGITS + 1])
{
    snprintf(out, NUMBER_DIGITS + 1, "%010lld", (long long)person);
}

/* As bench_lookup.py fills the table: sha256('bench' || person). */
static void credential_of(int64_t person, uint8_t out[32])
{
    char text[32];
    int size = snprintf(text, sizeof text, "bench%lld", (long long)person);
    bytes_sha256((const uint8_t *)text, (size_t)size, out);
}

static uint8_t *make_ticket(int64_t person, Mykey__Purpose purpose, uint8_t *object, size_t *ret_size)
{
    uint8_t credential[32], *data;
    uint64_t request_id[2] = {next_random(), next_random()};
    Mykey__TapTicket ticket = MYKEY__TAP_TICKET__INIT;
    credential_of(person, credential);
    ticket.consumer = consumer;
    ticket.audience = operator_id;
    ticket.terminal_id = terminal_id;
    ticket.has_credential_id = ticket.has_credential_key_version = ticket.has_assurance = ticket.has_purpose = 1;
    ticket.has_request_id = ticket.has_expires_at_ms = 1;
    ticket.credential_id = (ProtobufCBinaryData){sizeof credential, credential};
    ticket.credential_key_version = 1;
    ticket.assurance = MYKEY__ASSURANCE__ASSURANCE_PIN;
    ticket.purpose = purpose;
    ticket.request_id = (ProtobufCBinaryData){sizeof request_id, (uint8_t *)request_id};
    ticket.expires_at_ms = clock_wall_ms() + 8000;
    if (object != NULL) {
        ticket.has_object = 1;
        ticket.object = (ProtobufCBinaryData){32, object};
    }
    if (ticket_seal(keys, &ticket, &data, ret_size) != MK_OK) abort();
    return data;
}

static void call(bus_peer_t *peer, const char *method, const ProtobufCMessage *message, bus_reply_fn *fn, void *arg)
{
    bus_request request = {.service = "registry", .method = method, .timeout_ms = TIMEOUT_MS, .message = message};
    under_way++;
    (void)bus_call(peer, &request, fn, arg);
}

static void resolve(bus_peer_t *peer, int64_t person, bus_reply_fn *fn, void *arg)
{
    Mykey__Registry__ResolveRequest request = MYKEY__REGISTRY__RESOLVE_REQUEST__INIT;
    request.has_ticket = 1;
    request.ticket.data = make_ticket(person, MYKEY__PURPOSE__PURPOSE_RESOLVE, NULL, &request.ticket.len);
    call(peer, "Resolve", &request.base, fn, arg);
    free(request.ticket.data);
}

/* A ResolveReply with this number alone. */
static bool is_number(const bus_reply *reply, int64_t person)
{
    char number[NUMBER_DIGITS + 1];
    number_of(person, number);
    return reply->code == MK_OK && reply->body_size == 2 + NUMBER_DIGITS && reply->body[0] == 0x0a &&
           memcmp(reply->body + 2, number, NUMBER_DIGITS) == 0;
}

/* ---- the load ---- */

static unsigned percentile_us(double share)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += took[i];
        if ((double)seen >= share * (double)done) return (i + 1) * BUCKET_US;
    }
    return BUCKETS * BUCKET_US;
}

static void finish(void)
{
    double seconds = (double)(until_us - started_us) / 1e6;
    printf("{\"rate\": %.1f, \"done\": %llu, \"wrong\": %llu, \"toggles\": %llu, \"checks\": %llu, \"stale\": %llu, "
           "\"p50_us\": %u, \"p99_us\": %u}\n",
           (double)done / seconds, (unsigned long long)done, (unsigned long long)wrong, (unsigned long long)toggles,
           (unsigned long long)checks, (unsigned long long)stale, percentile_us(0.5), percentile_us(0.99));
    fflush(stdout);
    daemon_fail(process, 0);
}

static bool over(void)
{
    return clock_mono_us() >= until_us;
}

static void on_lookup(const bus_reply *reply, void *arg);

static void look_up(lookup *slot)
{
    slot->sent_us = clock_mono_us();
    slot->person = 1 + (int64_t)(next_random() % (uint64_t)(persons - 1));
    resolve(slot->peer, slot->person, on_lookup, slot);
}

static void on_lookup(const bus_reply *reply, void *arg)
{
    lookup *slot = arg;
    under_way--;
    uint64_t bucket = (clock_mono_us() - slot->sent_us) / BUCKET_US;
    if (!over()) {
        done++; /* only what came within the time */
        took[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    }
    wrong += !is_number(reply, slot->person);
    if (!over()) {
        look_up(slot);
        return;
    }
    free(slot);
    if (under_way == 0) finish();
}

/* ---- the toggled person ---- */

static int on_toggle_timer(zloop_t *at, int timer, void *arg);

static void on_check(const bus_reply *reply, void *arg)
{
    (void)arg;
    under_way--;
    checks++;
    stale += linked ? !is_number(reply, 0) : reply->code != MK_NOT_LINKED;
    if (--checking == 0 && !over()) zloop_timer(loop, TOGGLE_MS, 1, on_toggle_timer, NULL);
    if (under_way == 0 && over()) finish();
}

static void on_toggled(const bus_reply *reply, void *arg)
{
    (void)arg;
    under_way--;
    if (reply->code != MK_OK) {
        fprintf(stderr, "%s: %s %s\n", linked ? "Unlink" : "Link", mk_code_name(reply->code), reply->detail);
        exit(1);
    }
    linked = !linked;
    toggles++;
    checking = CALLERS;
    for (unsigned i = 0; i < CALLERS; i++) resolve(peers[i], 0, on_check, NULL);
}

static void unlink_first(void)
{
    Mykey__Registry__UnlinkRequest request = MYKEY__REGISTRY__UNLINK_REQUEST__INIT;
    request.has_ticket = 1;
    request.ticket.data = make_ticket(0, MYKEY__PURPOSE__PURPOSE_UNLINK, NULL, &request.ticket.len);
    call(peers[0], "Unlink", &request.base, on_toggled, NULL);
    free(request.ticket.data);
}

static void link_first(void)
{
    uint8_t object[32];
    char number[NUMBER_DIGITS + 1];
    Mykey__Registry__LinkRequest request = MYKEY__REGISTRY__LINK_REQUEST__INIT;
    Mykey__Registry__StaffConfirmation staff = MYKEY__REGISTRY__STAFF_CONFIRMATION__INIT;
    number_of(0, number);
    tap_object_link(operator_id, number, terms, object);
    staff.has_confirmed = staff.confirmed = 1;
    staff.scanned_customer_id = request.customer_id = number;
    request.staff = &staff;
    request.terms_version = terms;
    request.has_ticket = 1;
    request.ticket.data = make_ticket(0, MYKEY__PURPOSE__PURPOSE_LINK, object, &request.ticket.len);
    call(peers[1], "Link", &request.base, on_toggled, NULL);
    free(request.ticket.data);
}

static int on_toggle_timer(zloop_t *at, int timer, void *arg)
{
    (void)at, (void)timer, (void)arg;
    if (over()) return 0;
    if (linked) {
        unlink_first();
    } else {
        link_first();
    }
    return 0;
}

/* ---- start ---- */

static void start(void)
{
    started_us = clock_mono_us();
    until_us = started_us + (uint64_t)run_ms * 1000;
    for (unsigned i = 0; i < CALLERS; i++) {
        for (int64_t k = 0; k < inflight; k++) {
            lookup *slot = calloc(1, sizeof *slot);
            if (slot == NULL) abort();
            slot->peer = peers[i];
            look_up(slot);
        }
    }
    zloop_timer(loop, TOGGLE_MS, 1, on_toggle_timer, NULL);
}

static void on_state(bool up, void *arg)
{
    (void)arg;
    connected += up ? 1 : 0;
    if (connected == CALLERS && started_us == 0) start();
}

int main(int argc, char **argv)
{
    const conf_table tables[] = {{rows, sizeof rows / sizeof *rows}, bus_conf_table()};
    const daemon_spec spec = {"lookup_load", "bench", tables, 2};
    int status = 0;
    const char *why = "";
    process = daemon_new(&spec, argc, argv, &status);
    if (process == NULL) return status;
    loop = daemon_loop(process);
    mk_code code = keyring_load(ticket_keys, &keys, &why);
    for (unsigned i = 0; i < CALLERS && code == MK_OK; i++) {
        code = bus_peer_new(loop, NULL, "lookup", &peers[i], &why);
        if (code == MK_OK) bus_peer_on_state(peers[i], on_state, NULL);
    }
    if (code != MK_OK) fprintf(stderr, "lookup_load: %s\n", why);
    status = code == MK_OK ? daemon_run(process) : 1;
    for (unsigned i = 0; i < CALLERS; i++) bus_peer_destroy(&peers[i]);
    keyring_destroy(&keys);
    daemon_destroy(&process);
    return status;
}
