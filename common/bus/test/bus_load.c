/* SPDX-License-Identifier: Apache-2.0 */
/* A caller for the bus tests and the bench: keeps a number of calls in flight for a time, prints one JSON line. */
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/bus/bus.h"
#include "common/daemon/daemon.h"

static char *service, *method, *body_text;
static int64_t inflight, seconds_ms, timeout_ms, body_size, gap_ms, shard, total, wait_ms, delay_ms;
static bool repeatable, batch;

static const conf_row rows[] = {
    CONF_ROW_TEXT("test.service", service, "echo", "Service to call."),
    CONF_ROW_TEXT("test.method", method, "Echo", "Method to call."),
    CONF_ROW_TEXT("test.body", body_text, "", "Body; empty = test.body_size bytes."),
    CONF_ROW_NUMBER("test.body_size", body_size, "256", 0, 65536, "Bytes of the body."),
    CONF_ROW_NUMBER("test.inflight", inflight, "1", 1, 10000, "Calls in flight."),
    CONF_ROW_NUMBER("test.ms", seconds_ms, "1000", 1, 600000, "How long to make calls (ms)."),
    CONF_ROW_NUMBER("test.total", total, "0", 0, 100000000, "Stop after this many calls; 0 = by time."),
    CONF_ROW_NUMBER("test.timeout_ms", timeout_ms, "5000", 1, 60000, "Deadline of a call (ms)."),
    CONF_ROW_NUMBER("test.gap_ms", gap_ms, "0", 0, 10000, "Pause before the next call (ms)."),
    CONF_ROW_NUMBER("test.wait_ms", wait_ms, "5000", 0, 60000, "How long to wait for a broker (ms)."),
    CONF_ROW_NUMBER("test.delay_ms", delay_ms, "0", 0, 60000,
                    "Pause after a broker answers: the other one may too (ms)."),
    CONF_ROW_NUMBER("test.shard", shard, "0", 0, 100000, "Shard."),
    CONF_ROW_FLAG("test.repeatable", repeatable, "false", "May run twice."),
    CONF_ROW_FLAG("test.batch", batch, "false", "Batch priority."),
};

static daemon_t *process;
static bus_peer_t *peer;
static zloop_t *loop;
static uint8_t body[65536];
static size_t size;
static uint64_t started_us, until_us, longest_us, made, done, codes[256], unknown, wrong;
static bool running;

static void call(void);

static void finish(void)
{
    double seconds = (double)(clock_mono_us() - started_us) / 1e6;
    printf("{\"done\": %llu, \"seconds\": %.3f, \"rate\": %.1f, \"longest_ms\": %.1f, \"unknown\": %llu, "
           "\"wrong\": %llu, \"codes\": {",
           (unsigned long long)done, seconds, (double)done / seconds, (double)longest_us / 1e3,
           (unsigned long long)unknown, (unsigned long long)wrong);
    const char *comma = "";
    for (unsigned i = 0; i < 256; i++) {
        if (!codes[i]) continue;
        printf("%s\"%s\": %llu", comma, mk_code_name(i), (unsigned long long)codes[i]);
        comma = ", ";
    }
    printf("}}\n");
    fflush(stdout);
    daemon_fail(process, 0);
}

static int on_gap(zloop_t *at, int timer_id, void *arg)
{
    (void)at;
    (void)timer_id;
    (void)arg;
    call();
    return 0;
}

static bool more(void)
{
    return total ? made < (uint64_t)total : clock_mono_us() < until_us;
}

static void on_reply(const bus_reply *reply, void *arg)
{
    uint64_t took = clock_mono_us() - (uint64_t)(uintptr_t)arg;
    if (took > longest_us) longest_us = took;
    done++;
    codes[reply->code]++;
    unknown += reply->executed == BUS_EXECUTED_UNKNOWN;
    bool echo = strcmp(method, "Echo") == 0 && reply->code == MK_OK;
    wrong += echo && (reply->body_size != size || memcmp(reply->body, body, size) != 0);
    if (more()) {
        made++; /* already here: during a pause others decide too */
        if (gap_ms)
            zloop_timer(loop, (size_t)gap_ms, 1, on_gap, NULL);
        else
            call();
    } else if (done == made) {
        finish();
    }
}

static void call(void)
{
    bus_request request = {
        .service = service,
        .method = method,
        .shard = (uint32_t)shard,
        .timeout_ms = (uint32_t)timeout_ms,
        .repeatable = repeatable,
        .batch = batch,
        .body = body,
        .body_size = size,
    };
    (void)bus_call(peer, &request, on_reply, (void *)(uintptr_t)clock_mono_us());
}

static void start(void)
{
    if (running) return;
    running = true;
    started_us = clock_mono_us();
    until_us = started_us + (uint64_t)seconds_ms * 1000;
    made = (uint64_t)(total && total < inflight ? total : inflight);
    for (uint64_t i = 0; i < made; i++) call();
}

static int on_waited(zloop_t *at, int timer_id, void *arg)
{
    (void)at;
    (void)timer_id;
    (void)arg;
    start();
    return 0;
}

static void on_state(bool connected, void *arg)
{
    (void)arg;
    daemon_set_ready(process, "broker", connected);
    if (connected && !running) zloop_timer(loop, (size_t)delay_ms, 1, on_waited, NULL);
}

int main(int argc, char **argv)
{
    const conf_table tables[] = {{rows, sizeof rows / sizeof *rows}, bus_conf_table()};
    const daemon_spec spec = {"bus_load", "test", tables, 2};
    int status = 0;
    const char *why;
    process = daemon_new(&spec, argc, argv, &status);
    if (!process) return status;
    loop = daemon_loop(process);
    size = *body_text ? strlen(body_text) : (size_t)body_size;
    memset(body, 'x', sizeof body);
    if (*body_text) memcpy(body, body_text, size);
    if (bus_peer_new(loop, daemon_metrics(process), daemon_instance(process), &peer, &why) != MK_OK) {
        fprintf(stderr, "bus: %s\n", why);
        return 1;
    }
    bus_peer_on_state(peer, on_state, NULL);
    zloop_timer(loop, (size_t)wait_ms, 1, on_waited, NULL);
    status = daemon_run(process);
    bus_peer_destroy(&peer);
    daemon_destroy(&process);
    return status;
}
