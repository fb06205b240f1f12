/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/action.h"
#include "agent/card/link.h"
#include "agent/counter.h"
#include "agent/enrol.h"
#include "agent/keyboard.h"
#include "agent/loopback.h"
#include "agent/oneshot.h"
#include "agent/settings.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/pb/pb.h"

enum { RENEW_CHECK_MS = 60000, BUSY_CHECK_MS = 100 };

struct agent {
    daemon_t *daemon;
    zloop_t *loop;
    agent_mode mode;
    profile_t *profile;
    profile_identity identity;
    uplink_t *uplink;
    enrol_t *enrol;
    terminal_t *terminal; /* once there is a certificate */
    pin_t *pin;
    card_link_t *link;
    keyboard_t *keyboard;
    counter_t *counter;
    loopback_t *loopback;
    unsigned call; /* the counter's */
    oneshot_t timers[COUNTER_TIMER_COUNT];
    oneshot_t renew_timer, drain_timer;
    metric_t *refusals, *restarts, *page_refusals;
};

/* ---- the counter's ports ---- */

static void order_card(void *arg, card_verb verb, const uint8_t *data, size_t size)
{
    agent_t *self = arg;
    if (self->link) card_link_order(self->link, verb, data, size);
}

static void on_answer(const uplink_answer *answer, void *arg)
{
    agent_t *self = arg;
    self->call = 0;
    if (answer->problem) metric_add(self->refusals, 1, problem_name(answer->problem), NULL, NULL, NULL);
    counter_on_answer(self->counter, answer);
    if (self->terminal) terminal_note(self->terminal, answer);
}

static bool send_call(void *arg, const char *path, const ProtobufCMessage *message, const char *gateway,
                      unsigned timeout_ms)
{
    agent_t *self = arg;
    size_t size = 0;
    uint8_t *body = pb_pack(message, &size);
    uplink_request request = {.path = path,
                              .body = body,
                              .size = size,
                              .gateway = gateway,
                              .identity = profile_identity_path(self->profile),
                              .timeout_ms = timeout_ms};
    uplink_cancel(self->uplink, self->call);
    self->call = uplink_send(self->uplink, &request, on_answer, self);
    bytes_wipe(body, size);
    free(body);
    return self->call != 0;
}

static void cancel_call(void *arg)
{
    agent_t *self = arg;
    uplink_cancel(self->uplink, self->call);
    self->call = 0;
}

static void set_timer(void *arg, counter_timer timer, unsigned ms)
{
    agent_t *self = arg;
    if (ms > 0)
        oneshot_set(&self->timers[timer], ms);
    else
        oneshot_stop(&self->timers[timer]);
}

static problem_t plug_keyboard(void *arg)
{
    return keyboard_plug(((agent_t *)arg)->keyboard);
}

static void on_typed(bool ok, void *arg)
{
    counter_on_typed(((agent_t *)arg)->counter, ok);
}

static problem_t type(void *arg, const output_rules *rules, const char *number)
{
    return keyboard_type(((agent_t *)arg)->keyboard, rules, number, on_typed, arg);
}

static void unplug_keyboard(void *arg)
{
    keyboard_unplug(((agent_t *)arg)->keyboard);
}

static void refresh(void *arg)
{
    agent_t *self = arg;
    if (self->terminal) terminal_refresh(self->terminal);
}

static void changed(void *arg)
{
    agent_t *self = arg;
    if (self->loopback) loopback_changed(self->loopback);
}

static void on_idle_timer(void *arg)
{
    counter_on_timer(((agent_t *)arg)->counter, COUNTER_IDLE);
}

static void on_tick_timer(void *arg)
{
    counter_on_timer(((agent_t *)arg)->counter, COUNTER_TICK);
}

static void on_card(const card_report *report, void *arg)
{
    agent_t *self = arg;
    if (report->verb == CARD_PRESENCE && report->problem == PROBLEM_READER_STUCK) {
        log_warn("card_child_lost", LOG_NUMBER(COUNT, card_link_restarts(self->link)));
        metric_inc(self->restarts);
    }
    counter_on_card(self->counter, report);
}

/* ---- identity and platform ---- */

static void on_terminal(void *arg)
{
    agent_t *self = arg;
    terminal_health health = terminal_state(self->terminal);
    counter_on_terminal(self->counter, &health, terminal_info(self->terminal));
    daemon_set_ready(self->daemon, "platform", !health.network && !health.key && !health.clock);
}

/* There is a certificate: talk to the platform as this terminal. */
static problem_t go_on_line(agent_t *self)
{
    MK_TRY(profile_load(self->profile, &self->identity));
    daemon_set_ready(self->daemon, "certificate", true);
    log_info("identity", LOG_TEXT(TERMINAL, self->identity.terminal_id),
             LOG_TEXT(OPERATOR, self->identity.operator_id));
    if (self->terminal) {
        terminal_refresh(self->terminal);
        return MK_OK;
    }
    terminal_options options = {.uplink = self->uplink,
                                .environment = settings.environment,
                                .origin = settings.origin,
                                .identity_path = profile_identity_path(self->profile),
                                .identity = &self->identity};
    self->terminal = terminal_new(self->loop, &options, on_terminal, self);
    oneshot_set(&self->renew_timer, RENEW_CHECK_MS / 60);
    return self->terminal ? MK_OK : MK_INTERNAL;
}

static void show_key_problem(agent_t *self, problem_t problem)
{
    terminal_health health = {PROBLEM_CHECKING, PROBLEM_CHECKING, problem, 0};
    if (self->counter) counter_on_terminal(self->counter, &health, NULL);
}

static void on_enrolled(problem_t problem, void *arg)
{
    agent_t *self = arg;
    if (self->mode == AGENT_ENROL) {
        if (!problem) problem = profile_load(self->profile, &self->identity);
        (void)printf("%s %s\n", problem_name(problem), self->identity.terminal_id);
        (void)fflush(stdout);
        daemon_fail(self->daemon, problem ? 1 : 0);
        return;
    }
    if (!problem) problem = go_on_line(self);
    /* A renewal that failed is tried again at the next check; the old certificate still serves. */
    if (problem && !self->terminal) show_key_problem(self, problem);
}

static void on_renew_time(void *arg)
{
    agent_t *self = arg;
    bool due = (int64_t)(clock_wall_ms() / 1000) >= enrol_renew_at(&self->identity);
    /* A tap names our key: don't change it under one. */
    if (due && !counter_is_busy(self->counter)) enrol_renew(self->enrol);
    oneshot_set(&self->renew_timer, RENEW_CHECK_MS);
}

static problem_t start_enrolment(agent_t *self)
{
    invite with = {0};
    profile_pending pending;
    const char *path = settings.invite_file[0] ? settings.invite_file : NULL;
    bool from_input = !path && self->mode == AGENT_ENROL;
    if (profile_pending_load(self->profile, &pending) != MK_OK) {
        if (!path && !from_input) return MK_TERMINAL_UNKNOWN;
        MK_TRY(invite_read(path, &with));
    }
    enrol_start(self->enrol, &with);
    bytes_wipe(&with, sizeof with);
    return MK_OK;
}

static void take_identity(agent_t *self)
{
    mk_code code = profile_load(self->profile, &self->identity);
    problem_t problem = code;
    if (code == MK_OK)
        problem = go_on_line(self);
    else if (code == MK_NOT_FOUND)
        problem = start_enrolment(self);
    if (!problem) return;
    log_error("no_identity", LOG_TEXT(CODE, problem_name(problem)));
    /* The page says what is wrong; a profile that can't be read is a terminal that nobody knows. */
    bool tellable = problem == MK_INVITE_INVALID || problem == MK_CERT_UNTRUSTED;
    show_key_problem(self, tellable ? problem : MK_TERMINAL_UNKNOWN);
}

/* ---- drain ---- */

static void on_drain_time(void *arg)
{
    agent_t *self = arg;
    if (self->counter && counter_is_busy(self->counter)) {
        oneshot_set(&self->drain_timer, BUSY_CHECK_MS);
        return;
    }
    daemon_release(self->daemon);
}

/* A tap that has begun is finished; nothing else is worth waiting for. */
static void on_drain(void *arg)
{
    agent_t *self = arg;
    daemon_hold(self->daemon);
    on_drain_time(self);
}

/* ---- life ---- */

static problem_t open_platform(agent_t *self)
{
    uplink_options options = {
        .edge = {settings.edge_a, settings.edge_b}, .server_ca = settings.server_ca, .proxy = settings.proxy};
    MK_TRY(profile_open(settings.profile, &self->profile));
    self->uplink = uplink_new(self->loop, &options);
    MK_ENSURE(self->uplink, MK_INTERNAL);
    self->enrol = enrol_new(self->loop, self->uplink, self->profile, on_enrolled, self);
    return self->enrol ? MK_OK : MK_INTERNAL;
}

static problem_t open_counter(agent_t *self)
{
    counter_ports ports = {self,          order_card, send_call,       cancel_call, set_timer,
                           plug_keyboard, type,       unplug_keyboard, refresh,     changed};
    counter_options options = {.environment = settings.environment,
                               .origin = settings.origin,
                               .identity = &self->identity,
                               .pin_timeout_s = (unsigned)settings.pin_timeout_s,
                               .clear_on_removal = settings.clear_on_removal};
    keymap_layout layout = KEYMAP_JP;
    (void)keymap_find(settings.keyboard_layout, &layout);
    self->keyboard = keyboard_new(self->loop, settings.uinput, layout);
    self->pin = pin_new();
    MK_ENSURE(self->keyboard && self->pin, MK_INTERNAL);
    self->counter = counter_new(&options, &ports, self->pin);
    MK_ENSURE(self->counter, MK_INTERNAL);
    loopback_options page = {.listen = settings.listen,
                             .page_dir = settings.page_dir,
                             .launch_path = profile_launch_path(self->profile),
                             .refusals = self->page_refusals};
    return loopback_new(self->loop, &page, self->counter, &self->loopback);
}

static problem_t open_card(agent_t *self)
{
    card_link_options options = {settings.reader, (unsigned)settings.card_timeout_ms, self->pin};
    self->link = card_link_new(self->loop, &options, on_card, self);
    return self->link ? MK_OK : MK_INTERNAL;
}

static void open_metrics(agent_t *self)
{
    metrics_t *metrics = daemon_metrics(self->daemon);
    self->refusals = metrics_declare(metrics, METRIC_COUNTER, "mykey_agent_refusals_total",
                                     "Answers of the platform other than OK.", "code");
    self->restarts = metrics_declare(metrics, METRIC_COUNTER, "mykey_agent_card_restarts_total",
                                     "Card processes that were killed or lost.", "");
    self->page_refusals = metrics_declare(metrics, METRIC_COUNTER, "mykey_agent_page_refusals_total",
                                          "Requests on the loopback port that did not come from our page.", "status");
}

static problem_t open_all(agent_t *self)
{
    PROBLEM_TRY(open_platform(self));
    if (self->mode == AGENT_ENROL) return start_enrolment(self);
    PROBLEM_TRY(open_counter(self));
    PROBLEM_TRY(open_card(self));
    daemon_set_ready(self->daemon, "certificate", false);
    daemon_set_ready(self->daemon, "platform", false);
    take_identity(self);
    return MK_OK;
}

problem_t agent_new(daemon_t *daemon, agent_mode mode, agent_t **ret_agent)
{
    agent_t *self = calloc(1, sizeof *self);
    MK_ENSURE(self, MK_INTERNAL);
    self->daemon = daemon;
    self->loop = daemon_loop(daemon);
    self->mode = mode;
    action_setup();
    open_metrics(self);
    oneshot_init(&self->timers[COUNTER_IDLE], self->loop, on_idle_timer, self);
    oneshot_init(&self->timers[COUNTER_TICK], self->loop, on_tick_timer, self);
    oneshot_init(&self->renew_timer, self->loop, on_renew_time, self);
    oneshot_init(&self->drain_timer, self->loop, on_drain_time, self);
    daemon_on_drain(daemon, on_drain, self);
    problem_t problem = open_all(self);
    if (problem) {
        log_error("start_failed", LOG_TEXT(CODE, problem_name(problem)));
        agent_destroy(&self);
        return problem;
    }
    *ret_agent = self;
    return MK_OK;
}

void agent_destroy(agent_t **self_p)
{
    if (!self_p || !*self_p) return;
    agent_t *self = *self_p;
    loopback_destroy(&self->loopback);
    card_link_destroy(&self->link);
    terminal_destroy(&self->terminal);
    enrol_destroy(&self->enrol);
    uplink_destroy(&self->uplink);
    keyboard_destroy(&self->keyboard);
    counter_destroy(&self->counter);
    pin_destroy(&self->pin);
    profile_destroy(&self->profile);
    free(self);
    *self_p = NULL;
}
