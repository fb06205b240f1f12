/* SPDX-License-Identifier: Apache-2.0 */
/* What does not need the card: choosing a purpose, terms, the staff's scan, numbers typed by hand, keyboard entry, undo
 * and suspension. */
#include <string.h>

#include "agent/counter_private.h"
#include "common/base/bytes.h"
#include "common/base/text.h"
#include "common/log/log.h"

enum { STAFF_CALL_MS = 8000, COUNTDOWN_S = 3, TICK_MS = 1000, SUSPEND_DIGITS = 16 };

static bool one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0) return true;
    return false;
}

/* ---- choosing ---- */

static const struct {
    Mykey__Purpose purpose;
    bool municipal; /* only there */
    bool has_terms;
} purposes[] = {
    {MYKEY__PURPOSE__PURPOSE_RESOLVE, false, false},  {MYKEY__PURPOSE__PURPOSE_LINK, false, true},
    {MYKEY__PURPOSE__PURPOSE_UNLINK, false, false},   {MYKEY__PURPOSE__PURPOSE_WITHDRAW_CONSENT, false, false},
    {MYKEY__PURPOSE__PURPOSE_CREATE_ID, true, true},  {MYKEY__PURPOSE__PURPOSE_SHOW_ID, true, false},
    {MYKEY__PURPOSE__PURPOSE_CHANGE_ID, true, false}, {MYKEY__PURPOSE__PURPOSE_DELETE_ID, true, false},
    {MYKEY__PURPOSE__PURPOSE_RESUME_ID, true, false},
};

void staff_proceed(counter_t *self)
{
    if (self->cards == 1) self->fresh = true;
    counter_settle(self);
}

problem_t staff_start(counter_t *self, const event_args *args)
{
    size_t i = 0, count = sizeof purposes / sizeof purposes[0];
    const char *wanted = args->action->purpose;
    if (!wanted) return MK_BAD_REQUEST;
    while (i < count && strcmp(tap_purpose_name(purposes[i].purpose), wanted) != 0) i++;
    if (i == count) return MK_BAD_REQUEST;
    if (purposes[i].municipal && !counter_is_municipality(self)) return MK_OPERATOR_KIND;
    counter_reset(self);
    self->flow.purpose = purposes[i].purpose;
    if (purposes[i].has_terms) return staff_show_terms(self);
    staff_proceed(self);
    return MK_OK;
}

problem_t staff_register(counter_t *self, const event_args *args)
{
    (void)args;
    counter_reset(self);
    self->flow.purpose = MYKEY__PURPOSE__PURPOSE_LINK;
    return staff_show_terms(self);
}

/* ---- terms, scan, confirm ---- */

static const char *present_terms(const counter_t *self)
{
    const Mykey__Terminal__TerminalInfo *info = self->info;
    bool platform = self->flow.purpose == MYKEY__PURPOSE__PURPOSE_CREATE_ID;
    const char *version = !info             ? NULL
                          : platform        ? info->platform_terms_version
                          : info->operator_ ? info->operator_->terms_version
                                            : NULL;
    return version && text_is_made_of(version, TEXT_ID "._", 1, TERMS_VERSION_SIZE - 1) ? version : NULL;
}

problem_t staff_show_terms(counter_t *self)
{
    const char *version = present_terms(self);
    if (!version) {
        counter_fail(self, MK_UNAVAILABLE);
        return MK_OK;
    }
    memcpy(self->flow.terms_version, version, strlen(version) + 1);
    counter_enter(self, STATE_TERMS);
    return MK_OK;
}

problem_t staff_accept_terms(counter_t *self, const event_args *args)
{
    (void)args;
    const char *version = present_terms(self);
    /* The text changed while it was being read: it is shown again. */
    if (!version || strcmp(version, self->flow.terms_version) != 0) return staff_show_terms(self);
    self->flow.terms_accepted = true;
    bool linking = self->flow.purpose == MYKEY__PURPOSE__PURPOSE_LINK;
    if (linking && !self->flow.staff_confirmed)
        counter_enter(self, STATE_STAFF_SCAN);
    else
        staff_proceed(self);
    return MK_OK;
}

problem_t staff_scan(counter_t *self, const event_args *args)
{
    if (!args->action->number) return MK_BAD_REQUEST;
    PROBLEM_TRY(rules_read_number(&self->rules, args->action->number, self->flow.scanned));
    self->flow.staff_confirmed = false;
    return MK_OK;
}

problem_t staff_confirm(counter_t *self, const event_args *args)
{
    (void)args;
    if (self->flow.scanned[0] == '\0') return MK_STAFF_REQUIRED;
    self->flow.staff_confirmed = true;
    staff_proceed(self);
    return MK_OK;
}

/* ---- the number ---- */

static void draw_barcode(counter_t *self)
{
    flow_t *flow = &self->flow;
    flow->has_barcode = false;
    if (flow->chosen < 0) return;
    problem_t problem = barcode_encode(&self->rules, flow->values[flow->chosen], &flow->code);
    flow->has_barcode = problem == MK_OK;
    if (problem) log_warn("no_barcode", LOG_TEXT(CODE, problem_name(problem)));
}

void staff_show_number(counter_t *self)
{
    self->flow.chosen = self->flow.value_count == 1 ? 0 : -1;
    draw_barcode(self);
    counter_enter(self, STATE_NUMBER);
}

problem_t staff_choose(counter_t *self, const event_args *args)
{
    if (args->action->index >= self->flow.value_count) return MK_BAD_REQUEST;
    self->flow.chosen = (int)args->action->index;
    draw_barcode(self);
    return MK_OK;
}

static void keys_failed(counter_t *self, problem_t problem)
{
    self->ports.unplug_keyboard(self->ports.arg);
    self->flow.keys = KEYS_FAILED;
    self->flow.keys_problem = problem;
    log_warn("keyboard_failed", LOG_TEXT(CODE, problem_name(problem)));
}

problem_t staff_type(counter_t *self, const event_args *args)
{
    (void)args;
    if (!self->rules.keyboard || self->flow.chosen < 0) return MK_CONFLICT;
    counter_enter(self, STATE_TYPING);
    problem_t problem = self->ports.plug_keyboard(self->ports.arg);
    if (problem) {
        keys_failed(self, problem);
        return MK_OK;
    }
    self->flow.keys = KEYS_COUNTDOWN;
    self->flow.countdown = COUNTDOWN_S;
    self->ports.set_timer(self->ports.arg, COUNTER_TICK, TICK_MS);
    return MK_OK;
}

problem_t staff_tick(counter_t *self, const event_args *args)
{
    (void)args;
    flow_t *flow = &self->flow;
    if (flow->keys != KEYS_COUNTDOWN || flow->countdown == 0) return MK_OK;
    if (--flow->countdown > 0) {
        self->ports.set_timer(self->ports.arg, COUNTER_TICK, TICK_MS);
        return MK_OK;
    }
    problem_t problem = self->ports.type(self->ports.arg, &self->rules, flow->values[flow->chosen]);
    if (problem) keys_failed(self, problem);
    return MK_OK;
}

problem_t staff_typed(counter_t *self, const event_args *args)
{
    if (self->flow.keys != KEYS_COUNTDOWN) return MK_OK;
    if (args->ok)
        self->flow.keys = KEYS_DONE;
    else
        keys_failed(self, PROBLEM_KEYBOARD_UNAVAILABLE);
    return MK_OK;
}

problem_t staff_type_cancel(counter_t *self, const event_args *args)
{
    (void)args;
    self->ports.set_timer(self->ports.arg, COUNTER_TICK, 0);
    self->ports.unplug_keyboard(self->ports.arg);
    self->flow.keys = KEYS_IDLE;
    self->flow.keys_problem = MK_OK;
    counter_enter(self, STATE_NUMBER);
    return MK_OK;
}

/* ---- by hand ---- */

problem_t staff_manual_open(counter_t *self, const event_args *args)
{
    (void)args;
    counter_reset(self);
    counter_enter(self, STATE_MANUAL);
    return MK_OK;
}

problem_t staff_manual_number(counter_t *self, const event_args *args)
{
    static const char *const reasons[] = {"forgot_card", "reader_fault", "network_fault", "other"};
    const counter_action *action = args->action;
    flow_t *flow = &self->flow;
    if (!action->number || !action->reason) return MK_BAD_REQUEST;
    if (!one_of(action->reason, reasons, sizeof reasons / sizeof reasons[0])) return MK_REASON_INVALID;
    flow->manual_problem = rules_read_number(&self->rules, action->number, flow->values[0]);
    bytes_wipe(flow->manual_number, sizeof flow->manual_number);
    if (flow->manual_problem) {
        /* Shown again as typed, if it fits. */
        (void)!text_normalise_number(action->number, flow->manual_number, sizeof flow->manual_number);
        return MK_OK;
    }
    log_info("manual_number", LOG_TEXT(DETAIL, action->reason));
    flow->value_count = 1;
    staff_show_number(self);
    return MK_OK;
}

/* ---- calls without a holder ---- */

static problem_t call(counter_t *self, const char *act, const char *path, const ProtobufCMessage *message)
{
    if (!self->ports.send(self->ports.arg, path, message, NULL, STAFF_CALL_MS)) return MK_BUSY;
    self->flow.staff_act = act;
    self->flow.phase = PHASE_STAFF;
    counter_enter(self, STATE_WORKING);
    return MK_OK;
}

problem_t staff_undo_link(counter_t *self, const event_args *args)
{
    static const char *const reasons[] = {"mistyped", "wrong_person", "card_returned", "other"};
    const counter_action *action = args->action;
    char number[NUMBER_MAX + 1];
    if (!action->number || !action->reason) return MK_BAD_REQUEST;
    if (!one_of(action->reason, reasons, sizeof reasons / sizeof reasons[0])) return MK_REASON_INVALID;
    PROBLEM_TRY(rules_read_number(&self->rules, action->number, number));
    Mykey__Terminal__UndoLink undo = MYKEY__TERMINAL__UNDO_LINK__INIT;
    undo.customer_id = number;
    undo.reason = (char *)action->reason;
    problem_t problem = call(self, "undo_link", "/v1/undo-link", &undo.base);
    bytes_wipe(number, sizeof number);
    return problem;
}

/* Said on the telephone and typed in groups: only its digits count. */
static problem_t read_suspend_code(const char *text, char out[SUSPEND_DIGITS + 1])
{
    char buffer[SUSPEND_SIZE * 2];
    size_t count = 0;
    MK_ENSURE(text_normalise_number(text, buffer, sizeof buffer) == MK_OK, MK_SUSPEND_CODE_WRONG);
    for (const char *c = buffer; *c; c++) {
        if (*c == ' ' || *c == '-') continue;
        MK_ENSURE(*c >= '0' && *c <= '9' && count < SUSPEND_DIGITS, MK_SUSPEND_CODE_WRONG);
        out[count++] = *c;
    }
    out[count] = '\0';
    bytes_wipe(buffer, sizeof buffer);
    return count == SUSPEND_DIGITS ? MK_OK : MK_SUSPEND_CODE_WRONG;
}

problem_t staff_suspend(counter_t *self, const event_args *args)
{
    char code[SUSPEND_DIGITS + 1];
    if (!args->action->code) return MK_BAD_REQUEST;
    if (!counter_is_municipality(self)) return MK_OPERATOR_KIND;
    PROBLEM_TRY(read_suspend_code(args->action->code, code));
    Mykey__Terminal__Suspend suspend = MYKEY__TERMINAL__SUSPEND__INIT;
    suspend.suspend_code = code;
    problem_t problem = call(self, "suspend", "/v1/suspend", &suspend.base);
    bytes_wipe(code, sizeof code);
    return problem;
}
