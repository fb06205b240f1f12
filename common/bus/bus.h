/* SPDX-License-Identifier: Apache-2.0 */
/* The bus for services (docs/bus.md): callers and workers connect out to two brokers; calls carry a deadline, a request
 * id, a trace and, where a repeat would matter, an idempotency key. Sockets, frames and reconnecting stay inside. */
#ifndef MYKEY_BUS_BUS_H
#define MYKEY_BUS_BUS_H

#include <czmq.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"
#include "common/conf/conf.h"
#include "common/metrics/metrics.h"

enum { BUS_HEADER_MAX = 1024, BUS_BODY_MAX = 64 * 1024, BUS_ID_SIZE = 16 };

/* Settings shared by callers and workers; bus_conf_table gives their rows: bus.broker_a, bus.broker_b (endpoints),
 * bus.broker_a_key, bus.broker_b_key (public key files), bus.key (this principal's secret key file, 0400). */
conf_table bus_conf_table(void);

typedef struct bus_peer bus_peer_t;

/* One per process: the sockets to both brokers, shared by its calls and its served methods. Uses the settings above.
 * instance: name for people, e.g. daemon_instance(). UNAVAILABLE if a key file is missing or has the wrong mode;
 * *ret_why says which. The brokers need not run yet. */
mk_code bus_peer_new(zloop_t *loop, metrics_t *metrics, const char *instance, bus_peer_t **ret_peer,
                     const char **ret_why) MK_CHECKED;
void bus_peer_destroy(bus_peer_t **self_p);

/* Is a broker of this name ("a", "b") set? */
bool bus_has_broker(const bus_peer_t *self, const char *name);

/* Is at least one broker answering? Called on each change. */
typedef void bus_state_fn(bool connected, void *arg);
void bus_peer_on_state(bus_peer_t *self, bus_state_fn *fn, void *arg);

/* ---- calling ---- */

typedef enum bus_executed { BUS_EXECUTED_NO = 1, BUS_EXECUTED_YES, BUS_EXECUTED_UNKNOWN } bus_executed;

typedef struct bus_request {
    const char *service;             /* "registry" */
    const char *method;              /* "Resolve" */
    uint32_t api_major;              /* 0 = 1 */
    uint32_t shard;                  /* 0 = any */
    uint32_t timeout_ms;             /* 1 … 60000 */
    bool repeatable;                 /* a read, or safe to run twice: resent through the other broker after a loss */
    bool batch;                      /* gives way to interactive calls */
    const uint8_t *idempotency_key;  /* NULL or bytes; makes the call repeatable */
    size_t idempotency_key_size;     /* 1 … 32 */
    const uint8_t *request_id;       /* NULL = made here; 16 bytes */
    const char *traceparent;         /* NULL = a new trace */
    const char *broker;              /* NULL = either; "a", "b": by this one alone */
    const ProtobufCMessage *message; /* the body: a message … */
    const uint8_t *body;             /* … or bytes */
    size_t body_size;
} bus_request;

typedef struct bus_reply {
    mk_code code; /* MK_OK or why not */
    bus_executed executed;
    uint32_t retry_after_ms;
    const char *detail;  /* "" if none; valid during the callback */
    const uint8_t *body; /* valid during the callback */
    size_t body_size;
} bus_reply;

typedef void bus_reply_fn(const bus_reply *reply, void *arg);

/* Sends; repeats after BUSY and through the other broker as docs/bus.md 3 and 4 say; refuses at once (UNAVAILABLE,
 * detail "breaker") while the method's breaker is open. fn is called exactly once, later, from the loop (never from
 * inside this call), at the latest at the deadline. Returns the call's id, 0 if it was refused at once: fn is then
 * called from the loop all the same. */
uint64_t bus_call(bus_peer_t *self, const bus_request *request, bus_reply_fn *fn, void *arg);

/* The caller is no longer interested: fn will not be called. A CANCEL is sent on. */
void bus_cancel(bus_peer_t *self, uint64_t call_id);

unsigned bus_calls_outstanding(const bus_peer_t *self);

/* ---- serving ---- */

typedef struct bus_job bus_job_t;

typedef void bus_handler_fn(bus_job_t *job, void *ctx);

typedef struct bus_method {
    const char *name; /* "Resolve" */
    bus_handler_fn *handle;
    const ProtobufCMessageDescriptor *request_type; /* unpacked and checked before the handler; NULL = raw body */
} bus_method;

typedef struct bus_service {
    const char *name;   /* "registry" */
    uint32_t api_major; /* 1 */
    uint32_t credit;    /* jobs at once, offered to each broker */
    const bus_method *methods;
    size_t method_count;
    void *ctx;
} bus_service;

/* Offers the service at both brokers from now on. `service` and its table must outlive the peer. */
void bus_serve(bus_peer_t *self, const bus_service *service);

/* From now on the offered service has only these shards (count 0 = any), each with its owner's epoch; told to both
 * brokers at once and at each connection. count <= 64. */
typedef struct bus_shard bus_shard; /* common/bus/bus_header.h */
void bus_serve_shards(bus_peer_t *self, const bus_service *service, const bus_shard *shards, size_t count);

/* Asks both brokers for no new jobs; done() is called when the last job has been answered and said BYE. */
void bus_drain(bus_peer_t *self, void (*done)(void *arg), void *arg);

/* A job lives from its handler's call until its one reply; a handler may keep it and answer later. */
const ProtobufCMessage *bus_job_message(const bus_job_t *job); /* owned by the job */
const uint8_t *bus_job_body(const bus_job_t *job, size_t *ret_size);
const char *bus_job_method(const bus_job_t *job);
const char *bus_job_caller(const bus_job_t *job); /* principal, stamped by the broker */
const char *bus_job_traceparent(const bus_job_t *job);
const uint8_t *bus_job_request_id(const bus_job_t *job); /* 16 bytes */
uint32_t bus_job_shard(const bus_job_t *job);
uint32_t bus_job_remaining_ms(const bus_job_t *job); /* 0 when the deadline has passed */
bool bus_job_cancelled(const bus_job_t *job);

/* Answers and frees the job. message may be NULL. detail: static id of the failed rule or NULL. */
void bus_job_reply(bus_job_t *job, mk_code code, const char *detail, const ProtobufCMessage *message);

/* The same with a body of bytes. */
void bus_job_reply_bytes(bus_job_t *job, mk_code code, const char *detail, const uint8_t *body, size_t size);

#endif
