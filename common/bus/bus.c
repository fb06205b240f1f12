/* SPDX-License-Identifier: Apache-2.0 */
/* The peer: settings, timers, making and ending. */
#include "common/bus/bus.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/bus/bus_own.h"

static char *broker_a, *broker_b, *broker_a_key, *broker_b_key, *key_path;

static const conf_row rows[] = {
    CONF_ROW_TEXT("bus.broker_a", broker_a, NULL, "Endpoint of broker-a, ipc:// or tcp://."),
    CONF_ROW_TEXT("bus.broker_b", broker_b, "", "Endpoint of broker-b; empty = there is none."),
    CONF_ROW_TEXT("bus.broker_a_key", broker_a_key, NULL, "Public key file of broker-a."),
    CONF_ROW_TEXT("bus.broker_b_key", broker_b_key, "", "Public key file of broker-b."),
    CONF_ROW_TEXT("bus.key", key_path, NULL, "This principal's secret key file (mode 0400)."),
};

conf_table bus_conf_table(void)
{
    return (conf_table){rows, sizeof rows / sizeof *rows};
}

/* Kernel randomness by the kilobyte: a call needs 40 bytes. */
void bus_random(bus_peer_t *self, uint8_t *out, size_t size)
{
    if (self->random_left < size) {
        bytes_random(self->random, sizeof self->random);
        self->random_left = sizeof self->random;
    }
    self->random_left -= size;
    memcpy(out, self->random + self->random_left, size);
}

void bus_drop(bus_peer_t *self, const char *reason)
{
    if (self->has_metrics) metric_add(self->metrics.dropped, 1, reason, NULL, NULL, NULL);
}

/* ---- time ---- */

static void tick_links(bus_peer_t *self)
{
    uint64_t now = clock_mono_us();
    for (int i = 0; i < BUS_LINKS; i++) link_tick(&self->links[i], now);
}

static int on_tick(zloop_t *loop, int timer_id, void *arg)
{
    (void)loop;
    (void)timer_id;
    tick_links(arg);
    return 0;
}

static void reopen_links(bus_peer_t *self)
{
    uint64_t now = clock_mono_us();
    for (int i = 0; i < BUS_LINKS; i++) {
        bus_link *link = &self->links[i];
        if (link->state != LINK_DOWN || self->gone) continue;
        if (now >= link->reopen_us)
            link_open(link);
        else
            bus_alarm_at(&self->alarm, link->reopen_us);
    }
}

static void wake_for(bus_peer_t *self, const bus_heap *heap)
{
    bus_heap_node *next = bus_heap_first(heap);
    if (next) bus_alarm_at(&self->alarm, next->when_us);
}

static void on_alarm(void *arg)
{
    bus_peer_t *self = arg;
    bus_calls_expire(self);
    bus_calls_retry(self);
    reopen_links(self);
    wake_for(self, &self->deadlines);
    wake_for(self, &self->retries);
}

static void on_flush(void *arg)
{
    bus_peer_t *self = arg;
    bool left = false;
    for (int i = 0; i < BUS_LINKS; i++) left = link_flush(&self->links[i]) || left;
    if (left) bus_alarm_at(&self->flush, clock_mono_us() + 1000);
}

static void on_later(void *arg)
{
    bus_peer_t *self = arg;
    bus_calls_tell(self);
    bus_jobs_check(self);
}

void bus_later(bus_peer_t *self)
{
    bus_alarm_at(&self->later, clock_mono_us());
}

/* ---- making ---- */

static void declare_metrics(bus_peer_t *self, metrics_t *metrics)
{
    bus_metrics *m = &self->metrics;
    m->calls = metrics_declare(metrics, METRIC_COUNTER, "mykey_bus_calls_total", "Calls made, by their answer.",
                               "service,method,code");
    m->call_time =
        metrics_declare(metrics, METRIC_HISTOGRAM, "mykey_bus_call_seconds", "From call to answer.", "service,method");
    m->jobs = metrics_declare(metrics, METRIC_COUNTER, "mykey_bus_jobs_total", "Jobs answered.", "service,method,code");
    m->job_time = metrics_declare(metrics, METRIC_HISTOGRAM, "mykey_bus_job_seconds", "From dispatch to answer.",
                                  "service,method");
    m->link_up = metrics_declare(metrics, METRIC_GAUGE, "mykey_bus_link_up", "Is the broker answering?", "broker");
    m->resent = metrics_declare(metrics, METRIC_COUNTER, "mykey_bus_resent_total",
                                "Calls sent again through the other broker.", "");
    m->retries = metrics_declare(metrics, METRIC_COUNTER, "mykey_bus_retries_total", "Calls made again after BUSY.",
                                 "service,method");
    m->breakers = metrics_declare(metrics, METRIC_GAUGE, "mykey_bus_breakers_open",
                                  "Methods whose calls are refused after many failures.", "service,method");
    m->dropped = metrics_declare(metrics, METRIC_COUNTER, "mykey_bus_dropped_total", "Messages thrown away.", "reason");
    self->has_metrics = true;
}

/* Which setting's file it is that is wrong; lives as long as the process. */
static mk_code name_fault(mk_code code, const char *setting, const char **why)
{
    static char text[128];
    if (code == MK_OK) return MK_OK;
    snprintf(text, sizeof text, "%s: %s", setting, *why);
    *why = text;
    return code;
}

static mk_code check_key_files(bus_peer_t *self, const char **ret_why)
{
    static const char *const settings[BUS_LINKS] = {"bus.broker_a_key", "bus.broker_b_key"};
    char text[BUS_KEY_TEXT + 1];
    MK_TRY(name_fault(bus_key_load_secret(key_path, &self->key, ret_why), "bus.key", ret_why));
    for (int i = 0; i < BUS_LINKS; i++)
        if (self->links[i].state != LINK_UNUSED)
            MK_TRY(name_fault(bus_key_load_public(self->links[i].key_path, text, ret_why), settings[i], ret_why));
    return MK_OK;
}

static void start(bus_peer_t *self)
{
    bus_alarm_init(&self->alarm, self->loop, on_alarm, self);
    bus_alarm_init(&self->flush, self->loop, on_flush, self);
    bus_alarm_init(&self->later, self->loop, on_later, self);
    self->tick_timer = zloop_timer(self->loop, 1000, 0, on_tick, self);
    for (int i = 0; i < BUS_LINKS; i++) link_open(&self->links[i]);
}

static bus_peer_t *peer_alloc(zloop_t *loop, const char *instance)
{
    bus_peer_t *self = calloc(1, sizeof *self);
    if (!self) abort();
    self->loop = loop;
    bus_slice_copy(bus_slice_text(instance), self->instance, sizeof self->instance);
    bus_map_init(&self->calls);
    bus_list_init(&self->refused);
    bus_list_init(&self->resting);
    bus_routes_init(&self->routes);
    bus_list_init(&self->jobs);
    link_init(&self->links[0], self, "a", broker_a, broker_a_key);
    link_init(&self->links[1], self, "b", broker_b, broker_b_key);
    return self;
}

mk_code bus_peer_new(zloop_t *loop, metrics_t *metrics, const char *instance, bus_peer_t **ret_peer,
                     const char **ret_why)
{
    bus_peer_t *self = peer_alloc(loop, instance);
    mk_code code = check_key_files(self, ret_why);
    if (code == MK_OK) self->context = zmq_ctx_new();
    if (code == MK_OK && !self->context) {
        *ret_why = "no ZeroMQ context";
        code = MK_UNAVAILABLE;
    }
    if (code != MK_OK) {
        bus_peer_destroy(&self);
        return code;
    }
    if (metrics) declare_metrics(self, metrics);
    start(self);
    *ret_peer = self;
    return MK_OK;
}

void bus_peer_destroy(bus_peer_t **self_p)
{
    bus_peer_t *self = *self_p;
    if (!self) return;
    self->gone = true;
    self->on_state = NULL;
    bus_jobs_free(self);
    bus_calls_free(self);
    for (int i = 0; i < BUS_LINKS; i++) link_close(&self->links[i]);
    if (self->context) {
        zloop_timer_end(self->loop, self->tick_timer);
        bus_alarm_stop(&self->alarm);
        bus_alarm_stop(&self->flush);
        bus_alarm_stop(&self->later);
        zmq_ctx_term(self->context);
    }
    bus_map_free(&self->calls);
    bus_heap_free(&self->deadlines);
    bus_heap_free(&self->retries);
    bus_routes_free(&self->routes);
    bus_key_wipe(&self->key);
    free(self);
    *self_p = NULL;
}

const bus_link *bus_link_named(const bus_peer_t *self, const char *name)
{
    for (int i = 0; i < BUS_LINKS; i++)
        if (strcmp(self->links[i].name, name) == 0 && self->links[i].state != LINK_UNUSED) return &self->links[i];
    return NULL;
}

bool bus_has_broker(const bus_peer_t *self, const char *name)
{
    return bus_link_named(self, name) != NULL;
}

void bus_peer_on_state(bus_peer_t *self, bus_state_fn *fn, void *arg)
{
    self->on_state = fn;
    self->state_arg = arg;
}
