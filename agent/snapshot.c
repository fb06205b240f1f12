/* SPDX-License-Identifier: Apache-2.0 */
/* The counter's state as JSON (docs/counter-page.md). Objects that do not apply to the state are absent. */
#include <jansson.h>
#include <string.h>

#include "agent/counter_private.h"
#include "common/base/clock.h"

#define IN(...) in_state(self, (const counter_state[]){__VA_ARGS__, STATE_COUNT})

static bool in_state(const counter_t *self, const counter_state *list)
{
    for (; *list != STATE_COUNT; list++)
        if (*list == self->state) return true;
    return false;
}

/* Takes over value; a NULL value (out of memory) leaves the member out. */
static void put(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

static void put_text(json_t *object, const char *name, const char *text)
{
    put(object, name, json_string(text ? text : ""));
}

static void put_number(json_t *object, const char *name, uint64_t number)
{
    put(object, name, json_integer((json_int_t)number));
}

static void put_flag(json_t *object, const char *name, bool flag)
{
    put(object, name, json_boolean(flag));
}

static const char *kind_name(int kind)
{
    static const char *const names[] = {"", "library", "museum", "sports", "shop", "partner", "municipality"};
    return kind > 0 && (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "";
}

static json_t *terminal_part(const counter_t *self)
{
    json_t *part = json_object();
    const Mykey__Registry__Operator *op = self->info ? self->info->operator_ : NULL;
    put_text(part, "id", self->options.identity->terminal_id);
    put_text(part, "operator_id", self->options.identity->operator_id);
    put_text(part, "kind", kind_name(op ? (int)op->kind : 0));
    put_text(part, "name_ja", op ? op->name_ja : "");
    put_text(part, "name_en", op ? op->name_en : "");
    put_flag(part, "municipality", counter_is_municipality(self));
    return part;
}

static const char *check_word(problem_t problem)
{
    if (problem == MK_OK) return "ok";
    return problem == PROBLEM_CHECKING ? "checking" : problem_name(problem);
}

static json_t *checks_part(const counter_t *self)
{
    json_t *part = json_object();
    put_text(part, "reader", check_word(self->reader));
    put_text(part, "network", check_word(self->health.network));
    put_text(part, "clock", check_word(self->health.clock));
    put_text(part, "key", check_word(self->health.key));
    return part;
}

static json_t *pin_part(const counter_t *self)
{
    json_t *part = json_object();
    put_number(part, "entered", pin_count(self->pin));
    put_number(part, "tries", self->flow.tries);
    put_flag(part, "last", self->flow.tries == 1 && !self->flow.last_confirmed);
    return part;
}

static json_t *number_part(const counter_t *self)
{
    const flow_t *flow = &self->flow;
    json_t *part = json_object(), *values = json_array();
    for (size_t i = 0; i < flow->value_count; i++) (void)json_array_append_new(values, json_string(flow->values[i]));
    put(part, "values", values);
    put(part, "chosen", json_integer(flow->chosen));
    if (!flow->has_barcode) return part;
    json_t *code = json_object();
    put_text(code, "symbology", flow->code.symbology);
    put_text(code, "text", flow->code.text);
    put_text(code, "modules", flow->code.modules);
    put(part, "barcode", code);
    return part;
}

static json_t *clear_part(const counter_t *self)
{
    json_t *part = json_object();
    uint64_t now = clock_mono_ms();
    uint64_t left = self->clear_at_ms > now ? (self->clear_at_ms - now + 999) / 1000 : 0;
    put_number(part, "after_s", self->clear_stopped ? self->rules.clear_after_s : left);
    put_flag(part, "stopped", self->clear_stopped);
    return part;
}

static json_t *keyboard_part(const counter_t *self)
{
    static const char *const phases[] = {"idle", "countdown", "done", "failed"};
    json_t *part = json_object();
    put_flag(part, "offered", self->rules.keyboard);
    put_text(part, "phase", phases[self->flow.keys]);
    put_number(part, "countdown", self->flow.countdown);
    return part;
}

static json_t *terms_part(const counter_t *self)
{
    json_t *part = json_object();
    const Mykey__Terminal__TerminalInfo *info = self->info;
    const Mykey__Registry__Operator *op = info ? info->operator_ : NULL;
    bool platform = self->flow.purpose == MYKEY__PURPOSE__PURPOSE_CREATE_ID;
    put_text(part, "version", self->flow.terms_version);
    put_text(part, "ja", !info ? "" : platform ? info->platform_terms_ja : op ? op->terms_ja : "");
    put_text(part, "en", !info ? "" : platform ? info->platform_terms_en : op ? op->terms_en : "");
    return part;
}

static json_t *link_part(const counter_t *self)
{
    json_t *part = json_object();
    put_text(part, "number", self->flow.scanned);
    put_flag(part, "staff_confirmed", self->flow.staff_confirmed);
    return part;
}

/* "1234567890123456" is read out in fours. */
static void put_grouped(json_t *object, const char *name, const char *digits)
{
    char text[SUSPEND_SIZE + SUSPEND_SIZE / 4 + 1];
    size_t used = 0;
    for (size_t i = 0; digits[i] && used + 2 < sizeof text; i++) {
        if (i > 0 && i % 4 == 0) text[used++] = ' ';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    put_text(object, name, text);
    memset(text, 0, sizeof text);
}

static json_t *id_part(const counter_t *self)
{
    json_t *part = json_object();
    put_text(part, "mykey_id", self->flow.mykey_id);
    bool grouped = strchr(self->flow.suspend_code, ' ') != NULL;
    if (grouped)
        put_text(part, "suspend_code", self->flow.suspend_code);
    else if (self->flow.suspend_code[0])
        put_grouped(part, "suspend_code", self->flow.suspend_code);
    return part;
}

static json_t *manual_part(const counter_t *self)
{
    json_t *part = json_object();
    put_text(part, "number", self->flow.manual_number);
    put_text(part, "problem", self->flow.manual_problem ? problem_name(self->flow.manual_problem) : "");
    return part;
}

static json_t *notices_part(const counter_t *self)
{
    json_t *part = json_array();
    for (size_t i = 0; i < self->flow.notice_count; i++)
        (void)json_array_append_new(part, json_string(self->flow.notices[i]));
    return part;
}

static json_t *error_part(const counter_t *self)
{
    json_t *part = json_object();
    problem_t problem = self->state == STATE_ERROR ? self->error.problem : self->flow.keys_problem;
    put_text(part, "code", problem_name(problem));
    put_number(part, "tries", self->error.tries);
    put_text(part, "incident", self->error.incident);
    put_flag(part, "retry", self->state == STATE_ERROR && !self->error.is_health && problem_retry(problem));
    put_number(part, "wait_s", self->error.is_health ? self->health.wait_s : self->error.wait_s);
    return part;
}

json_t *counter_snapshot(const counter_t *self)
{
    const flow_t *flow = &self->flow;
    json_t *snapshot = json_object();
    if (!snapshot) return NULL;
    put_number(snapshot, "rev", self->rev);
    put_text(snapshot, "state", counter_state_name(self));
    put(snapshot, "terminal", terminal_part(self));
    put(snapshot, "checks", checks_part(self));
    put_text(snapshot, "purpose", flow->staff_act ? flow->staff_act : tap_purpose_name(counter_purpose(self)));
    if (IN(STATE_PIN)) put(snapshot, "pin", pin_part(self));
    if (IN(STATE_NUMBER, STATE_TYPING)) put(snapshot, "number", number_part(self));
    if (IN(STATE_NUMBER, STATE_TYPING, STATE_DONE)) put(snapshot, "clear", clear_part(self));
    if (IN(STATE_NUMBER, STATE_TYPING)) put(snapshot, "keyboard", keyboard_part(self));
    if (IN(STATE_TERMS)) put(snapshot, "terms", terms_part(self));
    bool linking = flow->purpose == MYKEY__PURPOSE__PURPOSE_LINK;
    if (linking && IN(STATE_STAFF_SCAN, STATE_WAIT, STATE_READING, STATE_PIN, STATE_WORKING, STATE_DONE))
        put(snapshot, "link", link_part(self));
    if (IN(STATE_DONE) && flow->mykey_id[0]) put(snapshot, "id", id_part(self));
    if (IN(STATE_MANUAL)) put(snapshot, "manual", manual_part(self));
    if (flow->notice_count > 0 && IN(STATE_NUMBER, STATE_NOT_REGISTERED, STATE_DONE))
        put(snapshot, "notices", notices_part(self));
    if (IN(STATE_ERROR) || (IN(STATE_TYPING) && flow->keys_problem)) put(snapshot, "error", error_part(self));
    return snapshot;
}
