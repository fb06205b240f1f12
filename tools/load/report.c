/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"
#include "tools/load/histogram.h"

/* name in the report, what it measures. */
#define SERIES_TABLE(X)                                                                    \
    X(TAP, "tap")             /* from arrival: waiting, both requests and the signature */ \
    X(SERVER, "server")       /* both requests */                                          \
    X(CHALLENGE, "challenge") /* POST /v1/challenge */                                     \
    X(REDEEM, "redeem")       /* POST /v1/tap */                                           \
    X(SIGN, "sign")           /* ours: the signature and waiting for others' */            \
    X(CONNECT, "connect")     /* connections made again during the run */

#define ROW_ENUM(name, text) SERIES_##name,
#define ROW_TEXT(name, text) text,
enum { SERIES_TABLE(ROW_ENUM) SERIES_COUNT };
static const char *const series_names[] = {SERIES_TABLE(ROW_TEXT)};

struct report {
    histogram_t *series[SERIES_COUNT];
    uint64_t counts[OUTCOME_COUNT];
    uint64_t taps, drops, begin_us;
    clock_t cpu_begin, sign_begin, sign;
};

report_t *report_new(void)
{
    report_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    report_begin(self);
    return self;
}

static void clear_series(report_t *self)
{
    for (unsigned i = 0; i < SERIES_COUNT; i++) histogram_destroy(&self->series[i]);
}

void report_destroy(report_t **self_p)
{
    if (!*self_p) return;
    clear_series(*self_p);
    free(*self_p);
    *self_p = NULL;
}

void report_begin(report_t *self)
{
    clear_series(self);
    *self = (report_t){.begin_us = clock_mono_us(), .cpu_begin = clock()};
    for (unsigned i = 0; i < SERIES_COUNT; i++) self->series[i] = histogram_new();
}

void report_add_tap(report_t *self, outcome_t outcome, const tap_times *times)
{
    self->taps++;
    self->counts[outcome]++;
    if (outcome != OUTCOME_OK) return;
    histogram_add(self->series[SERIES_TAP], times->whole);
    histogram_add(self->series[SERIES_SERVER], times->challenge + times->redeem);
    histogram_add(self->series[SERIES_CHALLENGE], times->challenge);
    histogram_add(self->series[SERIES_REDEEM], times->redeem);
    histogram_add(self->series[SERIES_SIGN], times->sign);
}

/* clock() is this process's CPU time. */
void report_before_sign(report_t *self)
{
    self->sign_begin = clock();
}

void report_after_sign(report_t *self)
{
    self->sign += clock() - self->sign_begin;
}

void report_add_connection(report_t *self, uint64_t us)
{
    histogram_add(self->series[SERIES_CONNECT], us);
}

void report_add_drop(report_t *self)
{
    self->drops++;
}

/* ---- JSON ---- */

static void set_number(json_t *object, const char *name, uint64_t value)
{
    (void)json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void set_seconds(json_t *object, const char *name, clock_t ticks)
{
    (void)json_object_set_new(object, name, json_real((double)ticks / CLOCKS_PER_SEC));
}

static json_t *describe_series(const histogram_t *series)
{
    json_t *object = json_object();
    set_number(object, "count", histogram_count(series));
    set_number(object, "p50", histogram_percentile(series, 0.5));
    set_number(object, "p90", histogram_percentile(series, 0.9));
    set_number(object, "p99", histogram_percentile(series, 0.99));
    set_number(object, "p999", histogram_percentile(series, 0.999));
    set_number(object, "max", histogram_max(series));
    return object;
}

static json_t *describe_errors(const report_t *self)
{
    json_t *object = json_object();
    for (unsigned i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        if (self->counts[i] > 0 && i != OUTCOME_WRONG) set_number(object, outcome_name(i), self->counts[i]);
    return object;
}

static json_t *describe(const report_t *self)
{
    json_t *object = json_object(), *latency = json_object();
    double seconds = (double)(clock_mono_us() - self->begin_us) / 1e6;
    set_number(object, "taps", self->taps);
    set_number(object, "good", self->counts[OUTCOME_OK]);
    (void)json_object_set_new(object, "errors", describe_errors(self));
    set_number(object, "wrong", self->counts[OUTCOME_WRONG]);
    (void)json_object_set_new(object, "seconds", json_real(seconds));
    (void)json_object_set_new(object, "rate", json_real((double)self->counts[OUTCOME_OK] / seconds));
    for (unsigned i = 0; i < SERIES_COUNT; i++)
        (void)json_object_set_new(latency, series_names[i], describe_series(self->series[i]));
    (void)json_object_set_new(object, "latency_us", latency);
    set_number(object, "drops", self->drops);
    set_seconds(object, "sign_cpu_seconds", self->sign);
    set_seconds(object, "cpu_seconds", clock() - self->cpu_begin);
    return object;
}

bool report_print(report_t *self, FILE *out)
{
    json_t *object = describe(self);
    int failed = json_dumpf(object, out, JSON_REAL_PRECISION(7) | JSON_PRESERVE_ORDER);
    json_decref(object);
    return failed == 0 && fputc('\n', out) != EOF && fflush(out) == 0;
}

bool report_is_clean(const report_t *self)
{
    return self->counts[OUTCOME_OK] == self->taps;
}
