/* SPDX-License-Identifier: Apache-2.0 */
/* A worker for the bus tests: each method is one behaviour that a test needs. Body in, body out. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/bus/bus.h"
#include "common/bus/bus_header.h"
#include "common/daemon/daemon.h"

static char *service_name, *shards_text;
static int64_t credit;

static const conf_row rows[] = {
    CONF_ROW_TEXT("test.service", service_name, "echo", "Service to offer."),
    CONF_ROW_TEXT("test.shards", shards_text, "", "SHARD:EPOCH, separated by spaces."),
    CONF_ROW_NUMBER("test.credit", credit, "8", 0, 1024, "Jobs at once."),
};

static zloop_t *loop;
static daemon_t *process;
static unsigned handled;

static void echo(bus_job_t *job, void *ctx)
{
    size_t size;
    const uint8_t *body = bus_job_body(job, &size);
    (void)ctx;
    handled++;
    bus_job_reply_bytes(job, MK_OK, NULL, body, size);
}

/* "pid caller shard remaining_ms handled" */
static void tell(bus_job_t *job, void *ctx)
{
    char text[160];
    (void)ctx;
    handled++;
    int size = snprintf(text, sizeof text, "%d %s %u %u %u %s", (int)getpid(), bus_job_caller(job), bus_job_shard(job),
                        bus_job_remaining_ms(job), handled, bus_job_traceparent(job));
    bus_job_reply_bytes(job, MK_OK, NULL, (const uint8_t *)text, (size_t)size);
}

static unsigned long body_number(bus_job_t *job)
{
    char text[16] = "";
    size_t size;
    const uint8_t *body = bus_job_body(job, &size);
    bus_slice_copy((bus_slice){body, size}, text, sizeof text);
    return strtoul(text, NULL, 10);
}

static int on_slow_done(zloop_t *at, int timer_id, void *arg)
{
    bus_job_t *job = arg;
    (void)at;
    (void)timer_id;
    const char *text = bus_job_cancelled(job) ? "cancelled" : "done";
    bus_job_reply_bytes(job, MK_OK, NULL, (const uint8_t *)text, strlen(text));
    return 0;
}

/* Answers after as many milliseconds as the body says, without holding the loop. */
static void slow(bus_job_t *job, void *ctx)
{
    (void)ctx;
    handled++;
    zloop_timer(loop, body_number(job), 1, on_slow_done, job);
}

/* Holds the loop. */
static void block(bus_job_t *job, void *ctx)
{
    (void)ctx;
    usleep((useconds_t)body_number(job) * 1000);
    bus_job_reply(job, MK_OK, NULL, NULL);
}

static void die(bus_job_t *job, void *ctx)
{
    (void)job;
    (void)ctx;
    raise(SIGKILL);
}

static void not_owner(bus_job_t *job, void *ctx)
{
    (void)ctx;
    bus_job_reply(job, MK_NOT_OWNER, "shard", NULL);
}

static const bus_method methods[] = {
    {"Echo", echo, NULL},   {"Tell", tell, NULL}, {"Slow", slow, NULL},
    {"Block", block, NULL}, {"Die", die, NULL},   {"NotOwner", not_owner, NULL},
};

static bus_service service = {NULL, 1, 0, methods, sizeof methods / sizeof *methods, NULL};

static void on_done(void *arg)
{
    (void)arg;
    daemon_release(process);
}

static void on_drain(void *arg)
{
    daemon_hold(process);
    bus_drain(arg, on_done, NULL);
}

static void on_state(bool connected, void *arg)
{
    (void)arg;
    daemon_set_ready(process, "broker", connected);
}

static void serve(bus_peer_t *peer)
{
    bus_shard shards[BUS_SHARDS_MAX];
    size_t count = 0;
    service.name = service_name;
    service.credit = (uint32_t)credit;
    for (char *state, *one = strtok_r(shards_text, " ", &state); one && count < BUS_SHARDS_MAX;
         one = strtok_r(NULL, " ", &state)) {
        char *colon;
        shards[count].shard = (uint32_t)strtoul(one, &colon, 10);
        shards[count++].epoch = *colon ? strtoull(colon + 1, NULL, 10) : 0;
    }
    bus_serve_shards(peer, &service, shards, count);
}

int main(int argc, char **argv)
{
    const conf_table tables[] = {{rows, sizeof rows / sizeof *rows}, bus_conf_table()};
    const daemon_spec spec = {"bus_worker", "test", tables, 2};
    int status = 0;
    process = daemon_new(&spec, argc, argv, &status);
    if (!process) return status;
    loop = daemon_loop(process);
    bus_peer_t *peer;
    const char *why;
    daemon_set_ready(process, "broker", false);
    if (bus_peer_new(loop, daemon_metrics(process), daemon_instance(process), &peer, &why) != MK_OK) {
        fprintf(stderr, "bus: %s\n", why);
        return 1;
    }
    bus_peer_on_state(peer, on_state, NULL);
    serve(peer);
    daemon_on_drain(process, on_drain, peer);
    status = daemon_run(process);
    bus_peer_destroy(&peer);
    daemon_destroy(&process);
    return status;
}
