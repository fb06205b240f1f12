/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/terminal.h"

#include <stdlib.h>
#include <string.h>

#include "agent/oneshot.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/pb/pb.h"

enum { POLL_MS = 60000, BACKOFF_FIRST_MS = 1000, BACKOFF_MAX_MS = 15000, TIMEOUT_MS = 5000, CLOCK_LIMIT_MS = 60000 };

struct terminal {
    terminal_options options;
    terminal_changed_fn *fn;
    void *arg;
    oneshot_t timer;
    unsigned call;
    unsigned backoff_ms;
    uint64_t next_at_ms;
    terminal_health health;
    Mykey__Terminal__TerminalInfo *info;
};

static bool is_key_problem(problem_t problem)
{
    return problem == MK_TERMINAL_REVOKED || problem == MK_TERMINAL_UNKNOWN || problem == MK_ROLE_MISMATCH;
}

static bool same_health(const terminal_health *a, const terminal_health *b)
{
    return a->network == b->network && a->clock == b->clock && a->key == b->key;
}

/* Without news to anybody. */
static void take_note(terminal_t *self, const uplink_answer *answer)
{
    terminal_health *health = &self->health;
    /* What the gateway says about a request is no fault of the network. */
    bool down = answer->problem == PROBLEM_NETWORK_DOWN;
    if (answer->has_clock) {
        bool wrong = answer->clock_ahead_ms > CLOCK_LIMIT_MS || answer->clock_ahead_ms < -CLOCK_LIMIT_MS;
        health->clock = wrong ? MK_CLOCK_WRONG : MK_OK;
    } else if (!down && health->clock == PROBLEM_CHECKING) {
        health->clock = MK_OK;
    }
    health->network = down ? PROBLEM_NETWORK_DOWN : MK_OK;
    if (is_key_problem(answer->problem)) health->key = answer->problem;
}

static void tell(terminal_t *self, terminal_health before)
{
    if (!same_health(&before, &self->health)) {
        log_info("health", LOG_TEXT(STATE, problem_name(self->health.network)),
                 LOG_TEXT(DETAIL, problem_name(self->health.clock)), LOG_TEXT(CODE, problem_name(self->health.key)));
    }
    self->fn(self->arg);
}

void terminal_note(terminal_t *self, const uplink_answer *answer)
{
    terminal_health before = self->health;
    take_note(self, answer);
    if (same_health(&before, &self->health)) return;
    if (self->health.network || self->health.key || self->health.clock) terminal_refresh(self);
    tell(self, before);
}

static bool same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* Are we talking to the platform, and as the terminal, that we think? */
static const char *mismatch(const terminal_t *self, const Mykey__Terminal__TerminalInfo *info)
{
    const profile_identity *identity = self->options.identity;
    if (!info->operator_ || !same_text(info->operator_->operator_id, identity->operator_id)) return "operator";
    if (!same_text(info->terminal_id, identity->terminal_id)) return "terminal";
    if (!same_text(info->environment, self->options.environment)) return "environment";
    if (!same_text(info->origin, self->options.origin)) return "origin";
    return NULL;
}

static problem_t take_info(terminal_t *self, const uplink_answer *answer)
{
    ProtobufCMessage *message = NULL;
    MK_ENSURE(pb_unpack(&mykey__terminal__terminal_info__descriptor, answer->body, answer->size, &message) == MK_OK,
              PROBLEM_NETWORK_DOWN);
    Mykey__Terminal__TerminalInfo *info = (Mykey__Terminal__TerminalInfo *)message;
    const char *wrong = mismatch(self, info);
    if (wrong) {
        log_error("platform_mismatch", LOG_TEXT(DETAIL, wrong));
        pb_free(message);
        self->health.key = MK_TERMINAL_UNKNOWN;
        return MK_TERMINAL_UNKNOWN;
    }
    pb_free(self->info ? &self->info->base : NULL);
    self->info = info;
    self->health.key = MK_OK;
    return MK_OK;
}

static void schedule(terminal_t *self, bool good)
{
    unsigned next = self->backoff_ms == 0 ? BACKOFF_FIRST_MS : self->backoff_ms * 2;
    self->backoff_ms = good ? 0 : next < BACKOFF_MAX_MS ? next : BACKOFF_MAX_MS;
    unsigned wait_ms = good ? POLL_MS : self->backoff_ms;
    self->next_at_ms = clock_mono_ms() + wait_ms;
    oneshot_set(&self->timer, wait_ms);
}

static void on_answer(const uplink_answer *answer, void *arg)
{
    terminal_t *self = arg;
    terminal_health before = self->health;
    self->call = 0;
    take_note(self, answer);
    problem_t problem = answer->problem ? answer->problem : take_info(self, answer);
    /* An edge without gateways behind it can do no tap either. */
    if (problem && !is_key_problem(problem)) self->health.network = problem;
    /* An edge doesn't talk to an expired certificate; say what it really is. */
    bool expired = self->options.identity->not_after_s < (int64_t)(clock_wall_ms() / 1000);
    if (problem == PROBLEM_NETWORK_DOWN && expired) self->health.key = MK_TERMINAL_UNKNOWN;
    schedule(self, problem == MK_OK && self->health.clock == MK_OK);
    tell(self, before);
}

static void on_time(void *arg)
{
    terminal_t *self = arg;
    if (self->call) return;
    uplink_request request = {
        .path = "/v1/terminal", .identity = self->options.identity_path, .timeout_ms = TIMEOUT_MS};
    self->call = uplink_send(self->options.uplink, &request, on_answer, self);
    if (!self->call) schedule(self, false);
}

terminal_t *terminal_new(zloop_t *loop, const terminal_options *options, terminal_changed_fn *fn, void *arg)
{
    terminal_t *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->options = *options;
    self->fn = fn;
    self->arg = arg;
    self->health = (terminal_health){PROBLEM_CHECKING, PROBLEM_CHECKING, PROBLEM_CHECKING, 0};
    oneshot_init(&self->timer, loop, on_time, self);
    oneshot_set(&self->timer, 0);
    return self;
}

void terminal_destroy(terminal_t **self_p)
{
    if (!self_p || !*self_p) return;
    terminal_t *self = *self_p;
    uplink_cancel(self->options.uplink, self->call);
    oneshot_stop(&self->timer);
    pb_free(self->info ? &self->info->base : NULL);
    free(self);
    *self_p = NULL;
}

void terminal_refresh(terminal_t *self)
{
    oneshot_set(&self->timer, 0);
}

terminal_health terminal_state(const terminal_t *self)
{
    terminal_health health = self->health;
    uint64_t now = clock_mono_ms();
    bool bad = health.network || health.clock || health.key;
    health.wait_s = bad && self->next_at_ms > now ? (unsigned)((self->next_at_ms - now + 999) / 1000) : 0;
    return health;
}

const Mykey__Terminal__TerminalInfo *terminal_info(const terminal_t *self)
{
    return self->info;
}
