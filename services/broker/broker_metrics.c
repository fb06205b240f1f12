/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics and the access log. */
#include "common/log/log.h"
#include "services/broker/broker_own.h"

static void set1(metric_t *metric, double value, const char *label)
{
    metric_set(metric, value, label, NULL, NULL, NULL);
}

static uint64_t oldest_us(const exchange_t *exchange, const bus_list *queue)
{
    const bus_list *node = bus_list_first(queue);
    return node ? exchange->now_us - BUS_OWNER(node, request_t, link)->received_us : 0;
}

static double oldest_seconds(const exchange_t *exchange, const service_t *service)
{
    uint64_t oldest = oldest_us(exchange, &service->waiting);
    BUS_LIST_EACH(node, &service->workers)
    {
        const worker_t *worker = BUS_OWNER(node, worker_t, link);
        for (unsigned i = 0; i < worker->lane_count; i++) {
            for (int q = 0; q < 2; q++) {
                uint64_t age = oldest_us(exchange, &worker->lanes[i]->queue[q]);
                if (age > oldest) oldest = age;
            }
        }
    }
    return (double)oldest / 1e6;
}

static void refresh_workers(const broker_metrics *m, const service_t *service)
{
    static const char *const names[] = {"ready", "suspect", "draining", "gone"};
    unsigned count[4] = {0};
    uint32_t credit = 0;
    BUS_LIST_EACH(node, &service->workers)
    {
        const worker_t *worker = BUS_OWNER(node, worker_t, link);
        count[worker->state]++;
        credit += worker->state == WORKER_READY ? worker_free(worker) : 0;
    }
    for (int i = 0; i < 3; i++) metric_set(m->workers, count[i], service->name, names[i], NULL, NULL);
    set1(m->credits, credit, service->name);
}

static void refresh(void *arg)
{
    broker_t *self = arg;
    const broker_metrics *m = &self->metrics;
    const exchange_t *exchange = self->exchange;
    for (unsigned i = 0; i < exchange->service_count; i++) {
        const service_t *service = exchange->services[i];
        set1(m->depth, service->queued, service->name);
        set1(m->bytes, (double)service->queued_bytes, service->name);
        set1(m->oldest, oldest_seconds(exchange, service), service->name);
        set1(m->inflight, service->in_flight, service->name);
        refresh_workers(m, service);
    }
    const exchange_stats *stats = &exchange->stats;
    set1(m->redispatch, (double)stats->redispatched, "worker_lost");
    set1(m->redispatch, (double)stats->refused, "refused");
    set1(m->expired, (double)stats->expired_queued, "queue");
    set1(m->expired, (double)stats->expired_in_flight, "in_flight");
    set1(m->busy, (double)stats->busy, NULL);
    set1(m->late, (double)stats->late_replies, NULL);
    set1(m->quarantined, (double)stats->quarantined, NULL);
    set1(m->handshakes, (double)self->zap.refused, "unknown_key");
    set1(m->handshakes, (double)self->zap.malformed, "zap_malformed");
    set1(m->peers, (double)self->peers.by_id.count, NULL);
}

typedef struct row {
    size_t place;
    metric_kind kind;
    const char *name, *help, *labels;
} row;

#define AT(field) offsetof(broker_metrics, field)

static const row rows[] = {
    {AT(requests), METRIC_COUNTER, "mykey_bus_requests_total", "Calls answered.", "service,method,caller,code"},
    {AT(queue_time), METRIC_HISTOGRAM, "mykey_bus_queue_seconds", "From CALL to DISPATCH.", "service"},
    {AT(service_time), METRIC_HISTOGRAM, "mykey_bus_service_seconds", "From DISPATCH to REPLY.", "service"},
    {AT(dropped), METRIC_COUNTER, "mykey_bus_dropped_total", "Messages thrown away.", "reason"},
    {AT(denied), METRIC_COUNTER, "mykey_bus_denied_total", "Calls and offers that the ACL refused.", "caller"},
    {AT(handshakes), METRIC_COUNTER, "mykey_bus_handshake_failed_total", "Connections refused.", "reason"},
    {AT(loop_lag), METRIC_GAUGE, "mykey_bus_loop_lag_seconds", "How late the last tick came.", ""},
    {AT(depth), METRIC_GAUGE, "mykey_bus_queue_depth", "Requests queued or waiting for a worker.", "service"},
    {AT(bytes), METRIC_GAUGE, "mykey_bus_queue_bytes", "Their bytes.", "service"},
    {AT(oldest), METRIC_GAUGE, "mykey_bus_queue_oldest_seconds", "Age of the oldest.", "service"},
    {AT(inflight), METRIC_GAUGE, "mykey_bus_inflight", "Requests at workers.", "service"},
    {AT(workers), METRIC_GAUGE, "mykey_bus_workers", "Workers.", "service,state"},
    {AT(credits), METRIC_GAUGE, "mykey_bus_credits_free", "Dispatches that workers would take now.", "service"},
    {AT(peers), METRIC_GAUGE, "mykey_bus_peers", "Connections of principals.", ""},
    {AT(redispatch), METRIC_COUNTER, "mykey_bus_redispatch_total", "Requests given to another worker.", "reason"},
    {AT(expired), METRIC_COUNTER, "mykey_bus_expired_total", "Requests past their deadline.", "where"},
    {AT(busy), METRIC_COUNTER, "mykey_bus_busy_total", "Calls refused because a queue was full.", ""},
    {AT(late), METRIC_COUNTER, "mykey_bus_late_replies_total", "Replies that nobody waited for.", ""},
    {AT(quarantined), METRIC_COUNTER, "mykey_bus_quarantined_total", "Requests that two workers were lost on.", ""},
};

void broker_metrics_declare(broker_t *self, metrics_t *metrics)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        metric_t *metric = metrics_declare(metrics, rows[i].kind, rows[i].name, rows[i].help, rows[i].labels);
        *(metric_t **)(void *)((char *)&self->metrics + rows[i].place) = metric;
    }
    metrics_on_render(metrics, refresh, self);
}

static void write_access(const request_t *request, const exchange_answer *answer, const char *service,
                         const char *method)
{
    char trace[33] = "";
    bus_slice parent = request->header.traceparent;
    if (parent.size == BUS_TRACEPARENT_SIZE) bus_slice_copy((bus_slice){parent.data + 3, 32}, trace, sizeof trace);
    log_write(answer->code == MK_OK ? LEVEL_DEBUG : LEVEL_INFO, "call",
              (const log_field[]){LOG_TEXT(SERVICE, service),
                                  LOG_TEXT(METHOD, method),
                                  LOG_TEXT(CALLER, request->caller->name),
                                  LOG_TEXT(CODE, mk_code_name(answer->code)),
                                  LOG_TEXT(DETAIL, answer->detail),
                                  LOG_TEXT(TRACE, trace),
                                  {LOG_F_END, NULL, 0}});
}

/* A method that no worker knows, or that may not be called, is a peer's text and no label. */
static bool method_known(const exchange_answer *answer)
{
    return answer->header && answer->code != MK_UNKNOWN_METHOD;
}

void broker_count_answer(broker_t *self, const request_t *request, const exchange_answer *answer)
{
    char method[BUS_METHOD_MAX + 1];
    bool own = bus_slice_is(request->header.service, "bus");
    const char *service = request->service ? request->service->name : own ? "bus" : "other";
    bus_slice_copy(request->header.method, method, sizeof method);
    metric_add(self->metrics.requests, 1, service, method_known(answer) ? method : "other", request->caller->name,
               mk_code_name(answer->code));
    write_access(request, answer, service, method);
    if (!answer->header) return;
    uint64_t now = self->exchange->now_us;
    metric_observe(self->metrics.queue_time, (double)(request->dispatched_us - request->received_us) / 1e6, service,
                   NULL, NULL, NULL);
    metric_observe(self->metrics.service_time, (double)(now - request->dispatched_us) / 1e6, service, NULL, NULL, NULL);
}
