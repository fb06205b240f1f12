/* SPDX-License-Identifier: Apache-2.0 */
/* What the brokers say of themselves, each asked by its name. */
#include <inttypes.h>
#include <string.h>

#include "proto/bus.pb-c.h"
#include "tools/mykeyctl/verbs.h"

enum { BROKERS = 2, SECOND_BROKER_MS = 500 };

static const char *const names[BROKERS] = {"a", "b"};

/* One verb runs in a process: its state is here. */
static struct {
    ctl_t *ctl;
    const char *method;
    const ProtobufCMessageDescriptor *reply_type;
    void (*add)(const char *broker, const ProtobufCMessage *reply);
    unsigned asked, answers;
    json_t *json;
} state;

static void finish(void)
{
    if (ctl_args(state.ctl)->json) {
        ctl_print_json(state.json);
    } else {
        json_decref(state.json);
    }
    ctl_finish(state.ctl, CTL_OK); /* a complaint made before counts */
}

static void on_answer(mk_code code, const char *detail, const ProtobufCMessage *reply, void *arg)
{
    const char *const *name = arg;
    char broker[16];
    snprintf(broker, sizeof broker, "broker-%s", *name);
    if (code == MK_OK) state.add(broker, reply);
    if (code != MK_OK) ctl_complain_code(state.ctl, broker, code, detail);
    if (++state.answers == state.asked) finish();
}

static int ask(zloop_t *loop, int timer, void *arg)
{
    Mykey__Bus__Empty empty = MYKEY__BUS__EMPTY__INIT;
    (void)loop, (void)timer, (void)arg;
    for (int i = 0; i < BROKERS; i++) state.asked += ctl_has_broker(state.ctl, names[i]);
    for (int i = 0; i < BROKERS; i++) {
        ctl_call call = {"bus", state.method, &empty.base, state.reply_type, true, names[i]};
        if (ctl_has_broker(state.ctl, names[i])) ctl_send(state.ctl, &call, on_answer, (void *)(uintptr_t)&names[i]);
    }
    return 0;
}

/* A verb begins when the first broker answers; the second gets a moment too. */
static void ask_soon(ctl_t *ctl, const char *method, const ProtobufCMessageDescriptor *reply_type,
                     void (*add)(const char *broker, const ProtobufCMessage *reply))
{
    state.ctl = ctl;
    state.method = method;
    state.reply_type = reply_type;
    state.add = add;
    state.json = json_array();
    zloop_timer(ctl_loop(ctl), SECOND_BROKER_MS, 1, ask, NULL);
}

/* ---- info ---- */

static void add_info(const char *broker, const ProtobufCMessage *reply)
{
    const Mykey__Bus__InfoReply *info = (const Mykey__Bus__InfoReply *)reply;
    const char *instance = info->instance ? info->instance : "?", *version = info->version ? info->version : "?";
    json_array_append_new(state.json,
                          json_pack("{s:s,s:s,s:s,s:I,s:b}", "broker", broker, "instance", instance, "version", version,
                                    "uptime_ms", (json_int_t)info->uptime_ms, "draining", (int)info->draining));
    if (ctl_args(state.ctl)->json) return;
    printf("%-10s %-24s version %-10s up %" PRIu64 " s%s\n", broker, instance, version, info->uptime_ms / 1000,
           info->draining ? "  draining" : "");
}

void bus_info(ctl_t *ctl)
{
    ask_soon(ctl, "Info", &mykey__bus__info_reply__descriptor, add_info);
}

/* ---- stats ---- */

static json_t *service_json(const Mykey__Bus__ServiceStats *stats)
{
    return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "service", stats->service ? stats->service : "?", "workers",
                     (json_int_t)stats->workers, "free_credit", (json_int_t)stats->free_credit, "queued",
                     (json_int_t)stats->queued, "queued_bytes", (json_int_t)stats->queued_bytes, "in_flight",
                     (json_int_t)stats->in_flight, "requests", (json_int_t)stats->requests);
}

static void print_service(const Mykey__Bus__ServiceStats *stats)
{
    printf("%-16s %8u %12u %7u %13" PRIu64 " %10u %12" PRIu64 "\n", stats->service ? stats->service : "?",
           stats->workers, stats->free_credit, stats->queued, stats->queued_bytes, stats->in_flight, stats->requests);
}

static void add_stats(const char *broker, const ProtobufCMessage *reply)
{
    const Mykey__Bus__StatsReply *stats = (const Mykey__Bus__StatsReply *)reply;
    bool json = ctl_args(state.ctl)->json;
    json_t *services = json_array();
    if (!json) printf("%-16s  workers  free credit  queued  queued bytes  in flight     requests\n", broker);
    for (size_t i = 0; i < stats->n_services; i++) {
        json_array_append_new(services, service_json(stats->services[i]));
        if (!json) print_service(stats->services[i]);
    }
    json_array_append_new(state.json, json_pack("{s:s,s:o}", "broker", broker, "services", services));
}

void bus_stats(ctl_t *ctl)
{
    ask_soon(ctl, "Stats", &mykey__bus__stats_reply__descriptor, add_stats);
}
