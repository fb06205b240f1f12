/* SPDX-License-Identifier: Apache-2.0 */
/* States and events. The table below is the whole machine: an event that has no row for the present state does nothing
 * (from the page: CONFLICT). */
#include "agent/counter.h"

#include <stdlib.h>
#include <string.h>

#include "agent/counter_private.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/log/log.h"

typedef enum counter_event {
    /* the page */
    EV_START,
    EV_PIN_DIGIT,
    EV_PIN_CLEAR,
    EV_PIN_SUBMIT,
    EV_CONFIRM_LAST,
    EV_CANCEL,
    EV_ACCEPT_TERMS,
    EV_REGISTER,
    EV_STAFF_SCAN,
    EV_STAFF_CONFIRM,
    EV_CHOOSE,
    EV_TYPE_NUMBER,
    EV_TYPE_CANCEL,
    EV_STOP_CLEAR,
    EV_NEXT,
    EV_RETRY,
    EV_MANUAL_OPEN,
    EV_MANUAL_NUMBER,
    EV_UNDO_LINK,
    EV_SUSPEND,
    EV_PAGE_COUNT,
    /* the rest of the world */
    EV_CARD_IN = EV_PAGE_COUNT,
    EV_CARD_OUT,
    EV_OPENED,
    EV_VERIFIED,
    EV_SIGNED,
    EV_ANSWER,
    EV_TYPED,
    EV_IDLE,
    EV_TICK,
    EV_HEALTH,
    EV_STUCK
} counter_event;

static const char *const action_names[EV_PAGE_COUNT] = {[EV_START] = "start",
                                                        [EV_PIN_DIGIT] = "pin_digit",
                                                        [EV_PIN_CLEAR] = "pin_clear",
                                                        [EV_PIN_SUBMIT] = "pin_submit",
                                                        [EV_CONFIRM_LAST] = "confirm_last",
                                                        [EV_CANCEL] = "cancel",
                                                        [EV_ACCEPT_TERMS] = "accept_terms",
                                                        [EV_REGISTER] = "register",
                                                        [EV_STAFF_SCAN] = "staff_scan",
                                                        [EV_STAFF_CONFIRM] = "staff_confirm",
                                                        [EV_CHOOSE] = "choose",
                                                        [EV_TYPE_NUMBER] = "type_number",
                                                        [EV_TYPE_CANCEL] = "type_cancel",
                                                        [EV_STOP_CLEAR] = "stop_clear",
                                                        [EV_NEXT] = "next",
                                                        [EV_RETRY] = "retry",
                                                        [EV_MANUAL_OPEN] = "manual_open",
                                                        [EV_MANUAL_NUMBER] = "manual_number",
                                                        [EV_UNDO_LINK] = "undo_link",
                                                        [EV_SUSPEND] = "suspend"};

/* How long a state lasts when nothing happens; CLEAR and PIN are settings. */
enum { LIMIT_NONE = 0, LIMIT_CLEAR = -1, LIMIT_PIN = -2, LIMIT_WAIT = -3, COPY_S = 300 };
static const struct {
    const char *name;
    int limit_s;
} states[STATE_COUNT] = {
    [STATE_STARTING] = {"starting", LIMIT_NONE},
    [STATE_WAIT] = {"wait", LIMIT_WAIT},
    [STATE_READING] = {"reading", 30},
    [STATE_PIN] = {"pin", LIMIT_PIN},
    [STATE_WORKING] = {"working", 45},
    [STATE_NUMBER] = {"number", LIMIT_CLEAR},
    [STATE_TYPING] = {"typing", LIMIT_CLEAR},
    [STATE_NOT_REGISTERED] = {"not_registered", 120},
    [STATE_TERMS] = {"terms", 300},
    [STATE_STAFF_SCAN] = {"staff_scan", 300},
    [STATE_DONE] = {"done", LIMIT_CLEAR},
    [STATE_MANUAL] = {"manual", 120},
    [STATE_ERROR] = {"error", 120},
};

/* ---- moving ---- */

bool counter_is_municipality(const counter_t *self)
{
    return self->info && self->info->operator_ &&
           self->info->operator_->kind == MYKEY__REGISTRY__OPERATOR_KIND__OPERATOR_KIND_MUNICIPALITY;
}

Mykey__Purpose counter_purpose(const counter_t *self)
{
    if (self->flow.purpose != MYKEY__PURPOSE__PURPOSE_UNSPECIFIED) return self->flow.purpose;
    return counter_is_municipality(self) ? MYKEY__PURPOSE__PURPOSE_SHOW_ID : MYKEY__PURPOSE__PURPOSE_RESOLVE;
}

static unsigned limit_ms(const counter_t *self, counter_state state)
{
    int limit = states[state].limit_s;
    bool chosen = self->flow.purpose != MYKEY__PURPOSE__PURPOSE_UNSPECIFIED;
    if (limit == LIMIT_CLEAR) limit = self->clear_stopped ? 0 : (int)self->rules.clear_after_s;
    /* A suspension code is shown once and copied by hand. */
    if (limit > 0 && limit < COPY_S && self->flow.suspend_code[0]) limit = COPY_S;
    if (limit == LIMIT_PIN) limit = (int)self->options.pin_timeout_s;
    if (limit == LIMIT_WAIT) limit = chosen ? 120 : 0;
    if (state == STATE_ERROR && self->error.is_health) limit = 0;
    return (unsigned)limit * 1000;
}

/* The only place that sets the state. */
void counter_enter(counter_t *self, counter_state state)
{
    bool goes_on = (state == STATE_NUMBER && self->state == STATE_TYPING) || state == self->state;
    self->state = state;
    if (!goes_on || state != STATE_NUMBER) {
        unsigned limit = limit_ms(self, state);
        self->clear_at_ms = limit > 0 ? clock_mono_ms() + limit : 0;
        self->ports.set_timer(self->ports.arg, COUNTER_IDLE, limit);
    }
    log_debug("state", LOG_TEXT(STATE, states[state].name));
}

static void end_session(counter_t *self)
{
    pin_wipe(self->pin);
    bytes_wipe(self->flow.certificate, sizeof self->flow.certificate);
    self->flow.certificate_size = 0;
    self->ports.order_card(self->ports.arg, CARD_CLOSE, NULL, 0);
}

void counter_reset(counter_t *self)
{
    bool in_session = self->state == STATE_READING || self->state == STATE_PIN || self->state == STATE_WORKING ||
                      (self->state == STATE_ERROR && self->error.problem == PROBLEM_PIN_WRONG);
    if (in_session) end_session(self);
    self->ports.cancel(self->ports.arg);
    self->ports.unplug_keyboard(self->ports.arg);
    self->ports.set_timer(self->ports.arg, COUNTER_TICK, 0);
    bytes_wipe(&self->flow, sizeof self->flow);
    bytes_wipe(&self->error, sizeof self->error);
    self->clear_stopped = false;
}

static problem_t health_problem(const counter_t *self)
{
    const problem_t checks[] = {self->health.key, self->reader, self->health.network, self->health.clock};
    problem_t worst = MK_OK;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (checks[i] && checks[i] != PROBLEM_CHECKING) return checks[i];
        if (checks[i]) worst = checks[i];
    }
    return worst;
}

static void set_error(counter_t *self, problem_t problem, bool is_health)
{
    bytes_wipe(&self->error, sizeof self->error);
    self->error.problem = problem;
    self->error.is_health = is_health;
    counter_enter(self, STATE_ERROR);
}

void counter_settle(counter_t *self)
{
    problem_t problem = health_problem(self);
    if (problem == PROBLEM_CHECKING) {
        counter_enter(self, STATE_STARTING);
    } else if (problem) {
        set_error(self, problem, true);
    } else if (self->cards > 1) {
        set_error(self, PROBLEM_CARD_SEVERAL, false);
    } else {
        counter_enter(self, STATE_WAIT);
        if (self->cards == 1 && self->fresh) tap_begin(self);
    }
}

/* A wrong PIN keeps the session, everything else ends it. */
void counter_fail(counter_t *self, problem_t problem)
{
    log_info("refused", LOG_TEXT(CODE, problem_name(problem)),
             LOG_TEXT(PURPOSE, tap_purpose_name(counter_purpose(self))));
    if (problem != PROBLEM_PIN_WRONG) end_session(self);
    self->ports.cancel(self->ports.arg);
    set_error(self, problem, false);
}

/* ---- events that concern more than one state ---- */

static problem_t on_leave(counter_t *self, const event_args *args)
{
    (void)args;
    counter_reset(self);
    counter_settle(self);
    return MK_OK;
}

static problem_t on_idle(counter_t *self, const event_args *args)
{
    if (self->state == STATE_WORKING || self->state == STATE_READING) {
        counter_fail(self, MK_DEADLINE_EXCEEDED);
        return MK_OK;
    }
    return on_leave(self, args);
}

static problem_t on_stop_clear(counter_t *self, const event_args *args)
{
    (void)args;
    self->clear_stopped = true;
    self->clear_at_ms = 0;
    self->ports.set_timer(self->ports.arg, COUNTER_IDLE, 0);
    return MK_OK;
}

static problem_t on_retry(counter_t *self, const event_args *args)
{
    (void)args;
    problem_t problem = self->error.problem;
    if (self->error.is_health || !problem_retry(problem)) return MK_CONFLICT;
    if (problem == PROBLEM_PIN_WRONG) {
        self->flow.last_confirmed = false;
        counter_enter(self, STATE_PIN);
        return MK_OK;
    }
    self->after_stuck = false; /* asked for: the card may be tried again where it lies */
    if (self->flow.staff_act) return on_leave(self, args);
    if (problem == MK_TERMS_OUTDATED) {
        self->flow.terms_accepted = false;
        return staff_show_terms(self);
    }
    if (problem == MK_NUMBER_INVALID && self->flow.purpose == MYKEY__PURPOSE__PURPOSE_LINK) {
        self->flow.staff_confirmed = false;
        counter_enter(self, STATE_STAFF_SCAN);
        return MK_OK;
    }
    staff_proceed(self);
    return MK_OK;
}

static bool is_about_the_card(problem_t problem)
{
    return problem >= PROBLEM_CARD_REMOVED && problem <= PROBLEM_CARD_SEVERAL;
}

static problem_t on_removed(counter_t *self, const event_args *args)
{
    (void)args;
    /* After the signature the card has done its part. */
    if (self->state == STATE_WORKING && (self->flow.phase == PHASE_TAP || self->flow.phase == PHASE_STAFF))
        return MK_OK;
    counter_fail(self, PROBLEM_CARD_REMOVED);
    return MK_OK;
}

static problem_t on_number_card_out(counter_t *self, const event_args *args)
{
    if (!self->options.clear_on_removal || self->clear_stopped || !self->flow.from_card) return MK_OK;
    return on_leave(self, args);
}

/* "Put it back" stays until then; what was wrong with another card goes with it, the business waits for the right one.
 */
static problem_t on_error_card_out(counter_t *self, const event_args *args)
{
    problem_t problem = self->error.problem;
    if (self->error.is_health || problem == PROBLEM_CARD_REMOVED) return MK_OK;
    if (is_about_the_card(problem)) {
        counter_settle(self);
        return MK_OK;
    }
    bool ends = problem == PROBLEM_PIN_WRONG || problem == PROBLEM_PIN_BLOCKED || problem == PROBLEM_READER_STUCK;
    return ends ? on_leave(self, args) : MK_OK;
}

/* The next person, or the same one again: a new tap. What was done stays while there is something to copy. */
static problem_t on_new_card(counter_t *self, const event_args *args)
{
    return self->flow.suspend_code[0] ? MK_OK : on_leave(self, args);
}

static problem_t on_wait_card(counter_t *self, const event_args *args)
{
    (void)args;
    counter_settle(self);
    return MK_OK;
}

static problem_t on_error_card_in(counter_t *self, const event_args *args)
{
    problem_t problem = self->error.problem;
    if (self->error.is_health) return MK_OK;
    if (!is_about_the_card(problem) && !problem_retry(problem)) return on_leave(self, args);
    if (problem == PROBLEM_PIN_WRONG || self->flow.staff_act) return on_leave(self, args);
    counter_settle(self);
    return MK_OK;
}

static problem_t on_health(counter_t *self, const event_args *args)
{
    (void)args;
    problem_t problem = health_problem(self);
    bool same = self->state == STATE_ERROR && self->error.is_health && self->error.problem == problem;
    bool fine = self->state == STATE_WAIT && problem == MK_OK;
    /* Other errors are about somebody's business and stay; but nobody can put a card back into a missing reader. */
    bool reader_gone = is_about_the_card(self->error.problem) && self->reader && self->reader != PROBLEM_CHECKING;
    bool stays = self->state == STATE_ERROR && !self->error.is_health && !reader_gone;
    if (same || fine || stays) return MK_OK;
    counter_settle(self);
    return MK_OK;
}

static problem_t on_stuck(counter_t *self, const event_args *args)
{
    (void)args;
    bool without_card =
        self->state == STATE_WORKING && (self->flow.phase == PHASE_TAP || self->flow.phase == PHASE_STAFF);
    if (!without_card) counter_fail(self, PROBLEM_READER_STUCK);
    return MK_OK;
}

/* ---- the table ---- */

#define S(name) (1u << STATE_##name)
#define ANY ((1u << STATE_COUNT) - 1)

static const struct {
    counter_event event;
    unsigned states;
    event_fn *fn;
} table[] = {
    {EV_START, S(WAIT), staff_start},
    {EV_PIN_DIGIT, S(PIN), tap_pin_digit},
    {EV_PIN_CLEAR, S(PIN), tap_pin_clear},
    {EV_PIN_SUBMIT, S(PIN), tap_pin_submit},
    {EV_CONFIRM_LAST, S(PIN), tap_confirm_last},
    {EV_CANCEL, S(WAIT) | S(READING) | S(PIN) | S(TERMS) | S(STAFF_SCAN), on_leave},
    {EV_ACCEPT_TERMS, S(TERMS), staff_accept_terms},
    {EV_REGISTER, S(NOT_REGISTERED), staff_register},
    {EV_STAFF_SCAN, S(STAFF_SCAN), staff_scan},
    {EV_STAFF_CONFIRM, S(STAFF_SCAN), staff_confirm},
    {EV_CHOOSE, S(NUMBER), staff_choose},
    {EV_TYPE_NUMBER, S(NUMBER), staff_type},
    {EV_TYPE_CANCEL, S(TYPING), staff_type_cancel},
    {EV_STOP_CLEAR, S(NUMBER) | S(TYPING) | S(DONE), on_stop_clear},
    {EV_NEXT, S(NUMBER) | S(TYPING) | S(NOT_REGISTERED) | S(DONE) | S(MANUAL) | S(ERROR), on_leave},
    {EV_RETRY, S(ERROR), on_retry},
    {EV_MANUAL_OPEN, S(WAIT) | S(STARTING) | S(ERROR), staff_manual_open},
    {EV_MANUAL_NUMBER, S(MANUAL), staff_manual_number},
    {EV_UNDO_LINK, S(WAIT), staff_undo_link},
    {EV_SUSPEND, S(WAIT), staff_suspend},
    {EV_CARD_IN, S(WAIT), on_wait_card},
    {EV_CARD_IN, S(ERROR), on_error_card_in},
    {EV_CARD_IN, S(NOT_REGISTERED) | S(DONE), on_new_card},
    {EV_CARD_OUT, S(READING) | S(PIN) | S(WORKING), on_removed},
    {EV_CARD_OUT, S(NUMBER), on_number_card_out},
    {EV_CARD_OUT, S(ERROR), on_error_card_out},
    {EV_OPENED, S(READING), tap_opened},
    {EV_VERIFIED, S(WORKING), tap_verified},
    {EV_SIGNED, S(WORKING), tap_signed},
    {EV_ANSWER, S(WORKING), tap_answered},
    {EV_TYPED, S(TYPING), staff_typed},
    {EV_TICK, S(TYPING), staff_tick},
    {EV_IDLE, ANY, on_idle},
    {EV_HEALTH, S(STARTING) | S(WAIT) | S(ERROR), on_health},
    {EV_STUCK, S(READING) | S(PIN) | S(WORKING), on_stuck},
};

static problem_t dispatch(counter_t *self, counter_event event, const event_args *args)
{
    problem_t problem = MK_CONFLICT;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].event != event || !(table[i].states & 1u << self->state)) continue;
        problem = table[i].fn(self, args);
        break;
    }
    if (event < EV_PAGE_COUNT && problem) return problem;
    self->rev++;
    self->ports.changed(self->ports.arg);
    return problem;
}

/* ---- events from outside ---- */

problem_t counter_act(counter_t *self, const counter_action *action)
{
    for (counter_event event = 0; event < EV_PAGE_COUNT; event++)
        if (strcmp(action_names[event], action->name) == 0)
            return dispatch(self, event, &(event_args){.action = action});
    return MK_UNKNOWN_METHOD;
}

static void on_presence(counter_t *self, const card_report *report)
{
    unsigned before = self->cards;
    problem_t reader_before = self->reader;
    self->cards = report->cards;
    self->reader = report->problem;
    if (report->problem == PROBLEM_READER_STUCK) {
        bool mid_session = self->state == STATE_READING || self->state == STATE_PIN || self->state == STATE_WORKING;
        if (mid_session) self->reader = PROBLEM_CHECKING;
        self->after_stuck |= mid_session;
        self->fresh = false;
        (void)dispatch(self, EV_STUCK, &(event_args){0});
    } else if (report->cards == 0) {
        self->fresh = false;
        if (before > 0 || self->after_stuck) (void)dispatch(self, EV_CARD_OUT, &(event_args){0});
    } else if (report->cards != before) {
        self->fresh = report->cards == 1 && !self->after_stuck;
        if (!self->after_stuck) (void)dispatch(self, EV_CARD_IN, &(event_args){0});
    }
    if (report->problem != PROBLEM_READER_STUCK) self->after_stuck = false;
    if (self->reader != reader_before) (void)dispatch(self, EV_HEALTH, &(event_args){0});
}

void counter_on_card(counter_t *self, const card_report *report)
{
    const event_args args = {.report = report};
    switch (report->verb) {
    case CARD_PRESENCE: on_presence(self, report); break;
    case CARD_OPEN: (void)dispatch(self, EV_OPENED, &args); break;
    case CARD_VERIFY: (void)dispatch(self, EV_VERIFIED, &args); break;
    case CARD_SIGN: (void)dispatch(self, EV_SIGNED, &args); break;
    default: break;
    }
}

void counter_on_answer(counter_t *self, const uplink_answer *answer)
{
    (void)dispatch(self, EV_ANSWER, &(event_args){.answer = answer});
}

void counter_on_timer(counter_t *self, counter_timer timer)
{
    (void)dispatch(self, timer == COUNTER_IDLE ? EV_IDLE : EV_TICK, &(event_args){0});
}

void counter_on_typed(counter_t *self, bool ok)
{
    (void)dispatch(self, EV_TYPED, &(event_args){.ok = ok});
}

void counter_on_terminal(counter_t *self, const terminal_health *health, const Mykey__Terminal__TerminalInfo *info)
{
    self->health = *health;
    self->info = info;
    self->rules = rules_of(info ? info->operator_ : NULL);
    (void)dispatch(self, EV_HEALTH, &(event_args){0});
}

/* ---- life ---- */

counter_t *counter_new(const counter_options *options, const counter_ports *ports, pin_t *pin)
{
    counter_t *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->options = *options;
    self->ports = *ports;
    self->pin = pin;
    self->health = (terminal_health){PROBLEM_CHECKING, PROBLEM_CHECKING, PROBLEM_CHECKING, 0};
    self->reader = PROBLEM_CHECKING;
    self->rules = rules_of(NULL);
    return self;
}

void counter_destroy(counter_t **self_p)
{
    if (!self_p || !*self_p) return;
    pin_wipe((*self_p)->pin);
    bytes_wipe(*self_p, sizeof **self_p);
    free(*self_p);
    *self_p = NULL;
}

const char *counter_state_name(const counter_t *self)
{
    return states[self->state].name;
}

bool counter_is_busy(const counter_t *self)
{
    return self->state == STATE_WORKING;
}
