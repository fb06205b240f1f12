/* SPDX-License-Identifier: Apache-2.0 */
/* The service "bus", answered by the broker itself: Ping, Info, Stats, Drain, Reload. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/pb/pb.h"
#include "proto/bus.pb-c.h"
#include "services/broker/broker_own.h"

typedef mk_code method_fn(broker_t *self, uint8_t **ret_body, size_t *ret_size);

static mk_code ping(broker_t *self, uint8_t **ret_body, size_t *ret_size)
{
    (void)self;
    (void)ret_body;
    (void)ret_size;
    return MK_OK;
}

static mk_code info(broker_t *self, uint8_t **ret_body, size_t *ret_size)
{
    Mykey__Bus__InfoReply reply = MYKEY__BUS__INFO_REPLY__INIT;
    reply.instance = (char *)self->options.instance;
    reply.version = (char *)MYKEY_VERSION;
    reply.has_uptime_ms = reply.has_draining = true;
    reply.uptime_ms = (clock_mono_us() - self->started_us) / 1000;
    reply.draining = self->draining;
    *ret_body = pb_pack(&reply.base, ret_size);
    return MK_OK;
}

static void fill(const service_t *service, Mykey__Bus__ServiceStats *out)
{
    mykey__bus__service_stats__init(out);
    out->service = (char *)service->name;
    out->has_workers = out->has_free_credit = out->has_queued = out->has_queued_bytes = true;
    out->has_in_flight = out->has_requests = true;
    out->workers = service->worker_count;
    out->queued = service->queued;
    out->queued_bytes = service->queued_bytes;
    out->in_flight = service->in_flight;
    out->requests = service->requests;
    BUS_LIST_EACH(node, &service->workers) out->free_credit += worker_free(BUS_OWNER(node, worker_t, link));
}

static mk_code stats(broker_t *self, uint8_t **ret_body, size_t *ret_size)
{
    Mykey__Bus__ServiceStats rows[EXCHANGE_SERVICES_MAX], *list[EXCHANGE_SERVICES_MAX];
    Mykey__Bus__StatsReply reply = MYKEY__BUS__STATS_REPLY__INIT;
    for (unsigned i = 0; i < self->exchange->service_count; i++) {
        fill(self->exchange->services[i], &rows[i]);
        list[i] = &rows[i];
    }
    reply.n_services = self->exchange->service_count;
    reply.services = list;
    *ret_body = pb_pack(&reply.base, ret_size);
    return MK_OK;
}

/* As SIGTERM does, so that the process ends by the one way it has. */
static mk_code drain(broker_t *self, uint8_t **ret_body, size_t *ret_size)
{
    (void)self;
    (void)ret_body;
    (void)ret_size;
    return kill(getpid(), SIGTERM) == 0 ? MK_OK : MK_INTERNAL;
}

static mk_code reload(broker_t *self, uint8_t **ret_body, size_t *ret_size)
{
    const char *why;
    (void)ret_body;
    (void)ret_size;
    return broker_reload(self, &why);
}

static const struct {
    const char *name;
    method_fn *fn;
} methods[] = {{"Ping", ping}, {"Info", info}, {"Stats", stats}, {"Drain", drain}, {"Reload", reload}};

void introspect_serve(broker_t *self, request_t *request)
{
    uint8_t *body = NULL;
    size_t size = 0;
    exchange_answer answer = {.code = MK_UNKNOWN_METHOD, .executed = BUS_EXECUTED_NO};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!bus_slice_is(request->header.method, methods[i].name)) continue;
        answer.code = methods[i].fn(self, &body, &size);
        answer.executed = BUS_EXECUTED_YES;
    }
    answer.body = (bus_slice){body, size};
    exchange_finish(self->exchange, request, &answer);
    free(body);
}
