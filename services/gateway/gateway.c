/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/gateway.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/pb/pb.h"
#include "services/gateway/server.h"

enum { FIND_TIMEOUT_MS = 1500, DRAIN_TICK_MS = 100, SWEEP_MS = 5000 };

/* ---- the registry's word on a certificate ---- */

typedef struct find_call {
    gateway_t *gateway;
    terminal_question_t *question;
} find_call_t;

static void terminal_replied(const bus_reply *reply, void *arg)
{
    find_call_t call = *(find_call_t *)arg;
    ProtobufCMessage *message = NULL;
    free(arg);
    mk_code code = reply->code;
    if (code == MK_OK) {
        code = pb_unpack(&mykey__registry__find_terminal_reply__descriptor, reply->body, reply->body_size, &message);
    }
    metric_add(call.gateway->stats.terminal_lookups, 1, mk_code_name(code), NULL, NULL, NULL);
    terminal_table_answer(call.question, code, reply->retry_after_ms, (Mykey__Registry__FindTerminalReply *)message);
}

static void ask_terminal(terminal_question_t *question, const uint8_t sha256[TERMINAL_SHA256_SIZE], void *arg)
{
    gateway_t *self = arg;
    Mykey__Registry__FindTerminalRequest message = MYKEY__REGISTRY__FIND_TERMINAL_REQUEST__INIT;
    message.has_certificate_sha256 = true;
    message.certificate_sha256 = (ProtobufCBinaryData){TERMINAL_SHA256_SIZE, (uint8_t *)(uintptr_t)sha256};
    find_call_t *call = zmalloc(sizeof *call);
    *call = (find_call_t){self, question};
    bus_request request = {.service = "registry",
                           .method = "FindTerminal",
                           .timeout_ms = FIND_TIMEOUT_MS,
                           .repeatable = true,
                           .message = &message.base};
    bus_call(self->bus, &request, terminal_replied, call);
}

/* ---- parts ---- */

static bucket_rate per_minute(int64_t rate, int64_t burst)
{
    return (bucket_rate){.per_s = (double)rate / 60.0, .burst = (double)burst};
}

static admission_t *make_admission(const gateway_settings *settings)
{
    admission_limits limits = {
        .all = {.per_s = (double)settings->rate, .burst = (double)settings->burst},
        .outstanding_max = (unsigned)settings->outstanding_max,
        .enrol = per_minute(settings->enrol_rate, settings->enrol_burst),
        .terminal = per_minute(settings->terminal_rate, settings->terminal_burst),
        .terminals_max = (size_t)settings->terminals_max,
    };
    return admission_new(&limits);
}

static void refresh_gauges(void *arg)
{
    gateway_t *self = arg;
    size_t challenges = challenge_store_open(self->challenges, clock_mono_ms());
    metric_set(self->stats.challenges_open, (double)challenges, NULL, NULL, NULL, NULL);
    metric_set(self->stats.outstanding, admission_outstanding(self->admission), NULL, NULL, NULL, NULL);
    metric_set(self->stats.terminals, (double)terminal_table_size(self->terminals), NULL, NULL, NULL, NULL);
}

static void bus_changed(bool connected, void *arg)
{
    gateway_t *self = arg;
    log_info(connected ? "bus_connected" : "bus_lost");
    daemon_set_ready(self->daemon, "bus", connected);
    server_set_ready(self->server, connected);
}

static void reload(void *arg)
{
    gateway_t *self = arg;
    edge_secret_t *secret = NULL;
    const char *why = "";
    if (edge_secret_load(self->settings->edge_secret_file, &secret, &why) != MK_OK) {
        log_error("edge_secret_kept", LOG_TEXT(SETTING, "gateway.edge_secret_file"), LOG_TEXT(DETAIL, why));
        return;
    }
    edge_secret_destroy(&self->secret);
    self->secret = secret;
}

/* ---- drain: nothing new, but what a card has signed or is about to sign is still redeemed ---- */

static int drain_tick(zloop_t *loop, int timer, void *arg)
{
    gateway_t *self = arg;
    uint64_t now_ms = clock_mono_ms();
    bool noticed = now_ms >= self->drain_began_ms + (uint64_t)self->settings->lame_duck_ms;
    if (!noticed || challenge_store_open(self->challenges, now_ms) > 0 || server_open(self->server) > 0) return 0;
    server_quiesce(self->server);
    zloop_timer_end(loop, timer);
    daemon_release(self->daemon);
    return 0;
}

static void drain(void *arg)
{
    gateway_t *self = arg;
    self->draining = true;
    self->drain_began_ms = clock_mono_ms();
    daemon_hold(self->daemon);
    zloop_timer(daemon_loop(self->daemon), DRAIN_TICK_MS, 0, drain_tick, self);
}

static int sweep(zloop_t *loop, int timer, void *arg)
{
    gateway_t *self = arg;
    (void)loop;
    (void)timer;
    admission_sweep(self->admission, clock_mono_ms());
    return 0;
}

/* ---- making it ---- */

static mk_code load_files(gateway_t *self, const char **ret_what, const char **ret_why)
{
    const gateway_settings *settings = self->settings;
    *ret_what = "gateway.platform_terms_ja";
    MK_TRY(gateway_settings_read_terms(settings->platform_terms_ja, &self->platform_terms_ja));
    *ret_what = "gateway.platform_terms_en";
    MK_TRY(gateway_settings_read_terms(settings->platform_terms_en, &self->platform_terms_en));
    *ret_what = "gateway.edge_secret_file";
    return edge_secret_load(settings->edge_secret_file, &self->secret, ret_why);
}

static mk_code open_sockets(gateway_t *self, const char **ret_what, const char **ret_why)
{
    zloop_t *loop = daemon_loop(self->daemon);
    *ret_what = "bus";
    MK_TRY(bus_peer_new(loop, daemon_metrics(self->daemon), daemon_instance(self->daemon), &self->bus, ret_why));
    *ret_what = "gateway.listen";
    MK_TRY(server_new(self, &self->server));
    return MK_OK;
}

static void hook_up(gateway_t *self)
{
    daemon_set_ready(self->daemon, "bus", false);
    bus_peer_on_state(self->bus, bus_changed, self);
    metrics_on_render(daemon_metrics(self->daemon), refresh_gauges, self);
    daemon_on_drain(self->daemon, drain, self);
    daemon_on_reload(self->daemon, reload, self);
    zloop_timer(daemon_loop(self->daemon), SWEEP_MS, 0, sweep, self);
}

mk_code gateway_new(daemon_t *daemon, gateway_t **ret_gateway, const char **ret_what, const char **ret_why)
{
    gateway_t *self = zmalloc(sizeof *self);
    *ret_why = "";
    self->daemon = daemon;
    self->settings = gateway_settings_get();
    self->id = self->settings->id[0] != '\0' ? self->settings->id : daemon_instance(daemon);
    self->stats = stats_declare(daemon_metrics(daemon));
    self->admission = make_admission(self->settings);
    self->terminals = terminal_table_new((size_t)self->settings->terminals_max, ask_terminal, self);
    self->challenges = challenge_store_new((size_t)self->settings->challenges_max);
    mk_code code = load_files(self, ret_what, ret_why);
    if (code == MK_OK) code = open_sockets(self, ret_what, ret_why);
    if (code != MK_OK) {
        gateway_destroy(&self);
        return code;
    }
    hook_up(self);
    *ret_gateway = self;
    return MK_OK;
}

/* First those who could call back into open requests, then the requests. */
void gateway_destroy(gateway_t **self_p)
{
    gateway_t *self = *self_p;
    if (self == NULL) return;
    bus_peer_destroy(&self->bus);
    terminal_table_destroy(&self->terminals);
    server_destroy(&self->server);
    challenge_store_destroy(&self->challenges);
    admission_destroy(&self->admission);
    edge_secret_destroy(&self->secret);
    free(self->platform_terms_ja);
    free(self->platform_terms_en);
    free(self);
    *self_p = NULL;
}
