/* SPDX-License-Identifier: Apache-2.0 */
/* Serving: offers to both brokers, jobs, drain. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/bus/bus_own.h"
#include "common/pb/pb.h"

struct bus_job {
    bus_list node;
    bus_peer_t *peer;
    bus_link *link;
    uint64_t generation; /* of the link: an answer goes back to the connection that asked */
    const bus_offer *offer;
    const bus_method *method;
    zmq_msg_t msg; /* header and body point into it */
    bus_header header;
    bus_slice body;
    ProtobufCMessage *message;
    uint64_t started_us, deadline_us;
    bool cancelled;
    char caller[33];
    char traceparent[BUS_TRACEPARENT_SIZE + 1];
};

static const bus_slice no_body = {NULL, 0};

/* ---- offers ---- */

static void tell_offer(bus_link *link, const bus_offer *offer, bus_command command)
{
    bus_header header = {
        .service = bus_slice_text(offer->service->name),
        .instance = bus_slice_text(link->peer->instance),
    };
    if (command == BUS_READY) {
        header.credit = offer->service->credit;
        header.api_majors[header.api_major_count++] = offer->service->api_major;
        header.shards = offer->shards;
        header.shard_count = (uint32_t)offer->shard_count;
    }
    (void)link_send(link, command, &header, no_body);
}

static void tell_all(bus_peer_t *self, bus_command command)
{
    for (int i = 0; i < BUS_LINKS; i++)
        for (unsigned o = 0; o < self->offer_count; o++)
            if (self->links[i].heard_us && self->links[i].socket)
                tell_offer(&self->links[i], &self->offers[o], command);
}

void bus_jobs_hello(bus_link *link)
{
    bus_peer_t *self = link->peer;
    for (unsigned o = 0; o < self->offer_count && !self->draining; o++) tell_offer(link, &self->offers[o], BUS_READY);
}

void bus_serve(bus_peer_t *self, const bus_service *service)
{
    bus_serve_shards(self, service, NULL, 0);
}

static bus_offer *offer_named(bus_peer_t *self, bus_slice name)
{
    for (unsigned i = 0; i < self->offer_count; i++)
        if (bus_slice_is(name, self->offers[i].service->name)) return &self->offers[i];
    return NULL;
}

void bus_serve_shards(bus_peer_t *self, const bus_service *service, const bus_shard *shards, size_t count)
{
    bus_offer *offer = offer_named(self, bus_slice_text(service->name));
    assert(count <= BUS_SHARDS_MAX && (offer || self->offer_count < BUS_OFFERS_MAX));
    if (!offer) offer = &self->offers[self->offer_count++];
    offer->service = service;
    if (count) memcpy(offer->shards, shards, count * sizeof *shards);
    offer->shard_count = count;
    for (int i = 0; i < BUS_LINKS; i++)
        if (self->links[i].heard_us && self->links[i].socket && !self->draining)
            tell_offer(&self->links[i], offer, BUS_READY);
}

/* ---- answers ---- */

static void job_free(bus_job_t *job)
{
    bus_list_remove(&job->node);
    job->peer->job_count--;
    if (job->message) pb_free(job->message);
    zmq_msg_close(&job->msg);
    free(job);
}

static void count(const bus_job_t *job, mk_code code, uint64_t work_us)
{
    const bus_metrics *m = &job->peer->metrics;
    if (!job->peer->has_metrics || !job->method) return;
    metric_add(m->jobs, 1, job->offer->service->name, job->method->name, mk_code_name(code), NULL);
    metric_observe(m->job_time, (double)work_us / 1e6, job->offer->service->name, job->method->name, NULL, NULL);
}

static void send_answer(bus_job_t *job, bus_command command, mk_code code, bus_executed executed, const char *detail,
                        bus_slice body)
{
    uint64_t work_us = clock_mono_us() - job->started_us;
    bus_header header = {
        .tag = job->header.tag,
        .request_id = job->header.request_id,
        .code = code,
        .executed = executed,
        .credit = 1,
        .detail = bus_slice_text(detail),
        .server_instance = bus_slice_text(job->peer->instance),
        .work_us = work_us > UINT32_MAX ? UINT32_MAX : (uint32_t)work_us,
    };
    count(job, code, work_us);
    if (job->link->generation == job->generation)
        (void)link_send(job->link, command, &header, body);
    else
        bus_drop(job->peer, "link_gone");
}

/* What the code says about whether the request took effect. */
static bus_executed executed_of(mk_code code)
{
    switch (code) {
    case MK_NOT_OWNER:
    case MK_BUSY:
    case MK_UNKNOWN_METHOD: return BUS_EXECUTED_NO;
    case MK_UNAVAILABLE:
    case MK_INTERNAL:
    case MK_DEADLINE_EXCEEDED:
    case MK_CANCELLED: return BUS_EXECUTED_UNKNOWN;
    default: return BUS_EXECUTED_YES;
    }
}

static void end(bus_job_t *job)
{
    bus_peer_t *self = job->peer;
    job_free(job);
    if (self->draining) bus_later(self);
}

void bus_job_reply_bytes(bus_job_t *job, mk_code code, const char *detail, const uint8_t *body, size_t size)
{
    if (size > BUS_FRAME_BODY_MAX)
        send_answer(job, BUS_REPLY, MK_INTERNAL, BUS_EXECUTED_YES, "reply_size", no_body);
    else
        send_answer(job, BUS_REPLY, code, executed_of(code), detail, (bus_slice){body, size});
    end(job);
}

void bus_job_reply(bus_job_t *job, mk_code code, const char *detail, const ProtobufCMessage *message)
{
    size_t size = 0;
    uint8_t *body = message ? pb_pack(message, &size) : NULL;
    bus_job_reply_bytes(job, code, detail, body, size);
    free(body);
}

static void refuse(bus_job_t *job, mk_code code, const char *detail)
{
    send_answer(job, BUS_REPLY, code, BUS_EXECUTED_NO, detail, no_body);
    end(job);
}

/* ---- jobs ---- */

static const bus_method *method_named(const bus_service *service, bus_slice name)
{
    for (size_t i = 0; i < service->method_count; i++)
        if (bus_slice_is(name, service->methods[i].name)) return &service->methods[i];
    return NULL;
}

static bool read_job(bus_job_t *job)
{
    bus_frame frame;
    if (bus_frame_parse(zmq_msg_data(&job->msg), zmq_msg_size(&job->msg), &frame) != MK_OK) return false;
    if (bus_header_decode(frame.header.data, frame.header.size, &job->header, NULL) != MK_OK) return false;
    job->body = frame.body;
    job->started_us = clock_mono_us();
    job->deadline_us = job->started_us + job->header.timeout_ms * 1000ull;
    bus_slice_copy(job->header.caller, job->caller, sizeof job->caller);
    bus_slice_copy(job->header.traceparent, job->traceparent, sizeof job->traceparent);
    job->offer = offer_named(job->peer, job->header.service);
    if (job->offer) job->method = method_named(job->offer->service, job->header.method);
    return job->header.tag && job->header.request_id.size == BUS_ID_SIZE;
}

static bus_job_t *job_new(bus_link *link, zmq_msg_t *msg)
{
    bus_job_t *job = calloc(1, sizeof *job);
    if (!job) abort();
    job->peer = link->peer;
    job->link = link;
    job->generation = link->generation;
    zmq_msg_init(&job->msg);
    zmq_msg_move(&job->msg, msg);
    bus_list_push(&link->peer->jobs, &job->node);
    link->peer->job_count++;
    if (read_job(job)) return job;
    job_free(job);
    return NULL;
}

static void start(bus_job_t *job)
{
    const bus_method *method = job->method;
    if (!method) {
        refuse(job, MK_UNKNOWN_METHOD, "method");
        return;
    }
    mk_code code = MK_OK;
    if (method->request_type) code = pb_unpack(method->request_type, job->body.data, job->body.size, &job->message);
    if (code == MK_OK)
        method->handle(job, job->offer->service->ctx);
    else
        refuse(job, code, "body");
}

/* After DRAIN a job that crossed it goes back; after BYE the broker knows that we hold none. */
void bus_jobs_take(bus_link *link, zmq_msg_t *msg)
{
    bus_peer_t *self = link->peer;
    bus_job_t *job = self->gone ? NULL : job_new(link, msg);
    if (!job) {
        bus_drop(self, self->gone ? "after_bye" : "dispatch");
        return;
    }
    if (self->draining || !job->offer) {
        send_answer(job, BUS_REJECT, MK_BUSY, BUS_EXECUTED_NO, "draining", no_body);
        end(job);
        return;
    }
    start(job);
}

void bus_jobs_cancel(bus_link *link, const bus_header *header)
{
    BUS_LIST_EACH(node, &link->peer->jobs)
    {
        bus_job_t *job = BUS_OWNER(node, bus_job_t, node);
        if (job->link == link && job->generation == link->generation && job->header.tag == header->tag)
            job->cancelled = true;
    }
}

void bus_jobs_free(bus_peer_t *self)
{
    for (bus_list *node; (node = bus_list_first(&self->jobs));) job_free(BUS_OWNER(node, bus_job_t, node));
}

/* ---- drain ---- */

void bus_drain(bus_peer_t *self, void (*done)(void *arg), void *arg)
{
    self->on_drained = done;
    self->drained_arg = arg;
    if (!self->draining) tell_all(self, BUS_DRAIN);
    self->draining = true;
    bus_later(self);
}

void bus_jobs_check(bus_peer_t *self)
{
    if (!self->draining || self->gone || self->job_count) return;
    for (int i = 0; i < BUS_LINKS; i++) {
        if (self->links[i].outbox.count) {
            bus_later(self);
            return;
        }
    }
    tell_all(self, BUS_BYE);
    self->gone = true;
    if (self->on_drained) self->on_drained(self->drained_arg);
}

/* ---- reading a job ---- */

const ProtobufCMessage *bus_job_message(const bus_job_t *job)
{
    return job->message;
}

const uint8_t *bus_job_body(const bus_job_t *job, size_t *ret_size)
{
    *ret_size = job->body.size;
    return job->body.data;
}

const char *bus_job_method(const bus_job_t *job)
{
    return job->method->name;
}

const char *bus_job_caller(const bus_job_t *job)
{
    return job->caller;
}

const char *bus_job_traceparent(const bus_job_t *job)
{
    return job->traceparent;
}

const uint8_t *bus_job_request_id(const bus_job_t *job)
{
    return job->header.request_id.data;
}

uint32_t bus_job_shard(const bus_job_t *job)
{
    return job->header.shard;
}

uint32_t bus_job_remaining_ms(const bus_job_t *job)
{
    uint64_t now = clock_mono_us();
    return job->deadline_us > now ? (uint32_t)((job->deadline_us - now) / 1000) : 0;
}

bool bus_job_cancelled(const bus_job_t *job)
{
    return job->cancelled;
}
