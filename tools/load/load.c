/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/load.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "tools/load/queue.h"
#include "tools/load/report.h"
#include "tools/load/tap.h"

enum {
    SWEEP_US = 100000,      /* how often timeouts are looked for and lost connections made again */
    RETRY_US = 1000000,     /* before a connection that failed is tried again */
    OPENING_MAX = 32,       /* handshakes at once at the start */
    START_US = 30 * 1000000 /* without one more connection: the edge is not there */
};

#define NOT_IDLE SIZE_MAX

typedef struct slot {
    load_t *load;
    line_t *line;
    tap_t *tap;
    bool open, up; /* open: being made or up; up: and has told what the platform signs for */
    bool remake;   /* when its tap has ended */
    bool is_signed;
    size_t idle_at;     /* place in load.idle */
    uint64_t opened_us; /* when it was last opened */
    uint64_t retry_us;  /* while not open */
} slot_t;

struct load {
    options_t options;
    client_t *client;
    terminals_t *terminals;
    cards_t *cards;
    report_t *report;
    schedule_t *schedule;
    tap_platform platform;
    dice_t dice;
    slot_t *slots;
    size_t count, up, opening;
    slot_t **idle;
    size_t idle_count;
    bool running;
    outcome_t refused; /* of a first question; OUTCOME_OK: none was */
    queue_t arrivals;  /* times of taps that no connection has begun */
    queue_t to_sign;   /* indexes of slots; some may have lost their tap since */
    queue_t is_signed; /* the same, of a wave */
    queue_t remakes;   /* indexes of slots */
    uint64_t under_way, not_signed;
    uint64_t begin_us, next_sweep_us;
    double next_remake_us, remake_interval_us;
};

/* ---- idle connections ---- */

static void set_idle(slot_t *slot)
{
    load_t *self = slot->load;
    slot->idle_at = self->idle_count;
    self->idle[self->idle_count++] = slot;
}

static void unset_idle(slot_t *slot)
{
    load_t *self = slot->load;
    if (slot->idle_at == NOT_IDLE) return;
    slot_t *last = self->idle[--self->idle_count];
    self->idle[slot->idle_at] = last;
    last->idle_at = slot->idle_at;
    slot->idle_at = NOT_IDLE;
}

static uint64_t index_of(const slot_t *slot)
{
    return (uint64_t)(slot - slot->load->slots);
}

/* ---- the end of a tap ---- */

static void count_tap(load_t *self, bool was_signed, outcome_t outcome, const tap_times *times)
{
    self->under_way--;
    if (!was_signed) self->not_signed--;
    report_add_tap(self->report, outcome, times);
}

static void end_tap(slot_t *slot, outcome_t outcome)
{
    tap_drop(slot->tap);
    count_tap(slot->load, slot->is_signed, outcome, tap_get_times(slot->tap));
    if (!slot->up) return;
    if (slot->remake) {
        queue_push(&slot->load->remakes, index_of(slot));
    } else {
        set_idle(slot);
    }
}

/* ---- what lines tell ---- */

/* Each connection asks at once what the platform signs for, as an agent does: the edge ends one that asks nothing. */
static void on_connected(void *arg)
{
    slot_t *slot = arg;
    load_t *self = slot->load;
    if (self->running) report_add_connection(self->report, clock_mono_us() - slot->opened_us);
    tap_ask_platform(slot->line);
}

static void on_platform(slot_t *slot, const answer_t *answer)
{
    load_t *self = slot->load;
    outcome_t outcome = tap_read_platform(&self->platform, answer);
    if (outcome != OUTCOME_OK) {
        self->refused = outcome;
        report_add_drop(self->report);
    }
    slot->up = true;
    self->up++;
    self->opening--;
    set_idle(slot);
}

static void on_answer(const answer_t *answer, void *arg)
{
    slot_t *slot = arg;
    load_t *self = slot->load;
    if (!slot->up) {
        on_platform(slot, answer);
        return;
    }
    outcome_t outcome = tap_take_answer(slot->tap, answer);
    if (tap_get_step(slot->tap) == TAP_TO_SIGN) {
        queue_push(&self->to_sign, index_of(slot));
    } else {
        end_tap(slot, outcome);
    }
}

static outcome_t outcome_of(line_fault fault)
{
    switch (fault) {
    case LINE_TIMEOUT: return OUTCOME_TIMEOUT;
    case LINE_HTTP: return OUTCOME_HTTP;
    case LINE_DROPPED:
    case LINE_NETWORK: break;
    }
    return OUTCOME_NETWORK;
}

static void on_lost(line_fault fault, void *arg)
{
    slot_t *slot = arg;
    load_t *self = slot->load;
    if (slot->up) {
        self->up--;
    } else {
        self->opening--;
    }
    slot->open = slot->up = slot->remake = false;
    slot->retry_us = clock_mono_us() + (fault == LINE_DROPPED ? 0 : RETRY_US);
    unset_idle(slot);
    report_add_drop(self->report);
    if (tap_get_step(slot->tap) != TAP_IDLE) end_tap(slot, outcome_of(fault));
}

static const line_handler handler = {on_connected, on_answer, on_lost};

/* ---- connections ---- */

static void open_slot(slot_t *slot, uint64_t now_us)
{
    slot->open = true;
    slot->opened_us = now_us;
    slot->load->opening++;
    line_open(slot->line);
}

static void open_due(load_t *self, uint64_t now_us)
{
    for (size_t i = 0; i < self->count && self->opening < OPENING_MAX; i++)
        if (!self->slots[i].open && now_us >= self->slots[i].retry_us) open_slot(&self->slots[i], now_us);
}

static void fail_waiting(load_t *self, uint64_t now_us)
{
    uint64_t limit = self->options.client.timeout_us, arrival;
    while (self->arrivals.count > 0 && now_us >= queue_peek(&self->arrivals) + limit) {
        (void)queue_pop(&self->arrivals, &arrival);
        count_tap(self, false, OUTCOME_TIMEOUT, NULL);
    }
}

static void sweep(load_t *self, uint64_t now_us)
{
    if (now_us < self->next_sweep_us) return;
    self->next_sweep_us = now_us + SWEEP_US;
    for (size_t i = 0; i < self->count; i++) line_expire(self->slots[i].line, now_us);
    fail_waiting(self, now_us);
    open_due(self, now_us);
}

static void choose_remade(load_t *self)
{
    slot_t *slot = &self->slots[dice_below(&self->dice, (uint32_t)self->count)];
    if (!slot->up || slot->remake) return; /* it is being made again anyway */
    slot->remake = true;
    if (slot->idle_at == NOT_IDLE) return;
    unset_idle(slot);
    queue_push(&self->remakes, index_of(slot));
}

static void remake(load_t *self, uint64_t now_us)
{
    uint64_t index;
    while (self->remake_interval_us > 0 && now_us >= (uint64_t)self->next_remake_us) {
        self->next_remake_us += self->remake_interval_us;
        choose_remade(self);
    }
    while (queue_pop(&self->remakes, &index)) {
        slot_t *slot = &self->slots[index];
        if (!slot->remake) continue; /* lost meanwhile */
        slot->remake = slot->up = false;
        self->up--;
        line_close(slot->line);
        open_slot(slot, now_us);
    }
}

/* ---- taps ---- */

static void take_arrivals(load_t *self, uint64_t now_us)
{
    uint64_t arrival;
    while (schedule_take(self->schedule, now_us - self->begin_us, self->under_way, &arrival)) {
        queue_push(&self->arrivals, self->begin_us + arrival);
        self->under_way++;
        self->not_signed++;
    }
}

static void begin_taps(load_t *self)
{
    uint64_t arrival;
    while (self->idle_count > 0 && queue_pop(&self->arrivals, &arrival)) {
        slot_t *slot = self->idle[dice_below(&self->dice, (uint32_t)self->idle_count)];
        card_t *card = cards_at(self->cards, dice_below(&self->dice, (uint32_t)cards_count(self->cards)));
        unset_idle(slot);
        slot->is_signed = false;
        tap_begin(slot->tap, card, arrival);
    }
}

static outcome_t sign_tap(load_t *self, slot_t *slot)
{
    report_before_sign(self->report);
    outcome_t outcome = tap_sign(slot->tap);
    report_after_sign(self->report);
    return outcome;
}

static void sign_slot(load_t *self, slot_t *slot)
{
    outcome_t outcome = sign_tap(self, slot);
    if (outcome != OUTCOME_OK) {
        end_tap(slot, outcome);
        return;
    }
    slot->is_signed = true;
    self->not_signed--;
    if (self->options.schedule.kind == SCHEDULE_WAVES) {
        queue_push(&self->is_signed, index_of(slot));
    } else {
        tap_redeem(slot->tap);
    }
}

/* One a turn: meanwhile answers come in, and their times are to be the servers'. */
static void sign_next(load_t *self)
{
    uint64_t index;
    while (queue_pop(&self->to_sign, &index)) {
        if (tap_get_step(self->slots[index].tap) != TAP_TO_SIGN) continue;
        sign_slot(self, &self->slots[index]);
        return;
    }
}

static void release_wave(load_t *self)
{
    uint64_t index;
    while (self->not_signed == 0 && queue_pop(&self->is_signed, &index))
        if (tap_get_step(self->slots[index].tap) == TAP_SIGNED) tap_redeem(self->slots[index].tap);
}

/* ---- the loop ---- */

static uint64_t min_time(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_event_us(const load_t *self)
{
    uint64_t next = self->next_sweep_us, arrival = schedule_next(self->schedule);
    if (self->running && arrival != SCHEDULE_NEVER) next = min_time(next, self->begin_us + arrival);
    if (self->running && self->remake_interval_us > 0) next = min_time(next, (uint64_t)self->next_remake_us);
    return next;
}

static void wait_for_events(load_t *self)
{
    uint64_t now_us = clock_mono_us(), next_us = next_event_us(self);
    bool at_once = self->to_sign.count > 0 || next_us <= now_us;
    client_wait(self->client, at_once ? 0 : next_us - now_us);
}

static void turn(load_t *self)
{
    uint64_t now_us = clock_mono_us();
    sweep(self, now_us);
    remake(self, now_us);
    take_arrivals(self, now_us);
    begin_taps(self);
    sign_next(self);
    release_wave(self);
    wait_for_events(self);
}

static bool is_over(const load_t *self)
{
    return self->under_way == 0 && schedule_over(self->schedule, clock_mono_us() - self->begin_us);
}

static bool bring_up(load_t *self)
{
    size_t seen = 0;
    uint64_t now_us = clock_mono_us(), limit_us = now_us + START_US;
    for (; self->up < self->count; now_us = clock_mono_us()) {
        if (self->up > seen) limit_us = now_us + START_US;
        if (now_us > limit_us) {
            (void)fprintf(stderr, "mykey-load: %zu of %zu connections\n", self->up, self->count);
            return false;
        }
        seen = self->up;
        sweep(self, now_us);
        open_due(self, now_us);
        wait_for_events(self);
    }
    return true;
}

bool load_connect(load_t *self)
{
    if (!bring_up(self)) return false;
    if (self->refused == OUTCOME_OK) return true;
    (void)fprintf(stderr, "mykey-load: GET /v1/terminal: %s\n", outcome_name(self->refused));
    return false;
}

bool load_run(load_t *self)
{
    self->running = true;
    self->begin_us = clock_mono_us();
    self->next_remake_us = (double)self->begin_us + self->remake_interval_us;
    report_begin(self->report);
    while (!is_over(self)) turn(self);
    self->running = false;
    return report_print(self->report, stdout) && report_is_clean(self->report);
}

/* ---- life ---- */

static void make_slots(load_t *self)
{
    self->count = self->options.connections;
    self->slots = calloc(self->count, sizeof *self->slots);
    self->idle = calloc(self->count, sizeof(slot_t *));
    if (!self->slots || !self->idle) abort();
    for (size_t i = 0; i < self->count; i++) {
        slot_t *slot = &self->slots[i];
        const terminal_t *terminal = terminals_at(self->terminals, i % terminals_count(self->terminals));
        slot->load = self;
        slot->idle_at = NOT_IDLE;
        slot->line = line_new(self->client, terminal, (unsigned)(i % self->options.client.edge_count), &handler, slot);
        slot->tap = tap_new(slot->line, terminal, &self->platform);
    }
}

static void set_up(load_t *self)
{
    const options_t *options = &self->options;
    self->report = report_new();
    self->schedule = schedule_new(&options->schedule);
    self->dice.state = ~options->schedule.seed; /* not the arrivals' own */
    self->platform.operator_id = options->operator_id;
    bytes_random((uint8_t *)&self->platform.ids.state, sizeof self->platform.ids.state);
    if (options->remake > 0) self->remake_interval_us = 1e6 / (options->remake / 100 * options->connections);
    make_slots(self);
}

load_t *load_new(const options_t *options)
{
    load_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    self->options = *options;
    self->terminals = terminals_load(options->terminals);
    if (self->terminals) self->cards = cards_load(options->cards);
    if (self->cards) self->client = client_new(&options->client);
    if (self->client) {
        set_up(self);
    } else {
        load_destroy(&self);
    }
    return self;
}

void load_destroy(load_t **self_p)
{
    load_t *self = *self_p;
    if (!self) return;
    for (size_t i = 0; i < self->count; i++) {
        tap_destroy(&self->slots[i].tap);
        line_destroy(&self->slots[i].line);
    }
    free(self->slots);
    free(self->idle);
    queue_t *queues[] = {&self->arrivals, &self->to_sign, &self->is_signed, &self->remakes};
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) queue_clear(queues[i]);
    if (self->schedule) schedule_destroy(&self->schedule);
    report_destroy(&self->report);
    client_destroy(&self->client);
    cards_destroy(&self->cards);
    terminals_destroy(&self->terminals);
    free(self);
    *self_p = NULL;
}
