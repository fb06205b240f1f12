/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's mind, without sockets: services, lanes, workers, requests and their deadlines. It speaks through
 * exchange_port and is told the time, so that a test can play every case.
 *
 * A request is in the list of its state, and request_move alone changes it:
 *   NEW        none yet
 *   WAITING    service->waiting: nobody serves it; grace, then NO_WORKERS
 *   QUEUED     lane->queue[interactive or batch]: all who serve it are at work
 *   IN_FLIGHT  worker->in_flight: sent, holding a slot (a unit of credit)
 *   DONE       none: answered
 * A worker is in service->workers; worker_move alone changes its state. */
#ifndef MYKEY_BROKER_EXCHANGE_H
#define MYKEY_BROKER_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include "common/bus/bus.h"
#include "common/bus/bus_frame.h"
#include "common/bus/bus_header.h"
#include "common/bus/bus_heap.h"
#include "common/bus/bus_list.h"
#include "common/bus/bus_map.h"
#include "common/bus/bus_socket.h"
#include "services/broker/acl.h"

enum {
    EXCHANGE_SERVICES_MAX = 64,
    EXCHANGE_WORKERS_MAX = 256, /* of one service */
    EXCHANGE_CREDIT_MAX = 1024, /* of one worker */
    EXCHANGE_QUARANTINE_MAX = 64,
};

typedef struct exchange exchange_t;
typedef struct service service_t;
typedef struct lane lane_t;
typedef struct worker worker_t;
typedef struct request request_t;

typedef enum request_state {
    REQUEST_NEW,
    REQUEST_WAITING,
    REQUEST_QUEUED,
    REQUEST_IN_FLIGHT,
    REQUEST_DONE
} request_state;

struct request {
    bus_list link;        /* the list of its state */
    bus_list client_link; /* the client's requests */
    bus_heap_node expiry;
    bus_map_node by_id; /* (caller, request id) */
    request_state state;
    const principal_t *caller;
    void *client; /* who gets the answer; NULL when gone */
    service_t *service;
    worker_t *worker; /* IN_FLIGHT */
    unsigned slot;    /* IN_FLIGHT */
    zmq_msg_t msg;    /* as received; header and body point into it */
    bus_header header;
    bus_slice body;
    uint64_t received_us, deadline_us, dispatched_us;
    uint64_t refused_by; /* serial of the worker that answered NOT_OWNER or REJECT */
    uint32_t refusals, losses;
    bool repeatable, batch, not_owner;
};

typedef enum worker_state {
    WORKER_READY,
    WORKER_SUSPECT,  /* silent: no new work until it speaks again */
    WORKER_DRAINING, /* finishes what it has */
    WORKER_GONE,     /* removed before the entry point returns */
} worker_state;

typedef struct worker_slot {
    request_t *request; /* NULL: the caller has been answered, the worker has not */
    uint64_t serial;
    bool used, batch;
} worker_slot;

struct worker {
    bus_list link;      /* service->workers */
    bus_list peer_link; /* the peer's workers */
    bus_list gone_link; /* exchange->gone */
    bus_list in_flight;
    worker_state state;
    int loss; /* worker_loss, once GONE */
    service_t *service;
    void *peer;
    uint16_t number;      /* in tags; unique among living workers */
    uint64_t serial;      /* new at each READY */
    uint32_t window;      /* credit granted, in use or free */
    uint32_t used, batch; /* slots in use, those of batch calls */
    uint64_t last_use_us; /* for "longest idle" */
    uint64_t slot_serial;
    bool any_shard;
    uint32_t majors[BUS_MAJORS_MAX], major_count; /* the offer */
    bus_shard shards[BUS_SHARDS_MAX];
    uint32_t shard_count;
    lane_t **lanes;
    unsigned lane_count;
    worker_slot slots[EXCHANGE_CREDIT_MAX];
    uint16_t free_slots[EXCHANGE_CREDIT_MAX];
};

typedef struct lane_member {
    worker_t *worker;
    uint64_t epoch;
} lane_member;

/* (service, major, shard) that at least one worker offers */
struct lane {
    bus_map_node node;
    service_t *service;
    uint32_t major, shard;
    bus_list queue[2]; /* interactive, batch */
    lane_member members[EXCHANGE_WORKERS_MAX];
    unsigned member_count;
    uint64_t epoch; /* the highest offered: its members alone get work */
};

struct service {
    char name[BUS_SERVICE_MAX + 1];
    bus_list workers, waiting;
    unsigned worker_count;
    bus_map lanes;
    uint32_t queued, in_flight;
    uint64_t queued_bytes, requests;
    uint32_t queued_by[ACL_PRINCIPALS_MAX];
    uint64_t last_done_us, done_interval_us; /* moving average between two answers */
};

/* The answer to a caller. */
typedef struct exchange_answer {
    mk_code code;
    uint32_t executed; /* bus_executed */
    uint32_t retry_after_ms;
    const char *detail;       /* the broker's own, or NULL */
    const bus_header *header; /* the worker's REPLY, or NULL */
    bus_slice body;
} exchange_answer;

typedef struct exchange_port {
    /* Sends the request; BUS_SENT or BUS_QUEUED, BUS_GONE, BUS_FULL. */
    bus_sent (*dispatch)(void *ctx, worker_t *worker, request_t *request, uint64_t tag);
    void (*cancel)(void *ctx, worker_t *worker, request_t *request, uint64_t tag);
    void (*answer)(void *ctx, request_t *request, const exchange_answer *answer);
    void (*worker_dropped)(void *ctx, worker_t *worker); /* about to be freed */
    void *ctx;
} exchange_port;

typedef struct exchange_limits {
    uint32_t queue_count; /* of one service */
    uint64_t queue_bytes;
    uint32_t caller_count; /* of one caller in one service's queue */
    uint64_t grace_us;
} exchange_limits;

typedef struct exchange_stats {
    uint64_t redispatched, expired_queued, expired_in_flight, busy, late_replies, quarantined, refused;
} exchange_stats;

struct exchange {
    exchange_port port;
    exchange_limits limits;
    exchange_stats stats;
    service_t *services[EXCHANGE_SERVICES_MAX];
    unsigned service_count;
    bus_map requests; /* by (caller, request id) */
    bus_heap expiries;
    bus_list gone; /* workers to remove */
    worker_t *numbers[4096];
    uint16_t last_number;
    uint64_t worker_serial;
    uint64_t now_us;
    uint32_t open; /* requests not yet answered */
    bool draining;
    uint8_t quarantine[EXCHANGE_QUARANTINE_MAX][16];
    unsigned quarantine_count;
};

exchange_t *exchange_new(const exchange_port *port, const exchange_limits *limits);
void exchange_destroy(exchange_t **self_p);

/* Call before the others with clock_mono_us(). */
void exchange_set_time(exchange_t *self, uint64_t now_us);

/* Makes the service known (once); only known services have queues. */
void exchange_add_service(exchange_t *self, const char *name);
service_t *exchange_find_service(const exchange_t *self, bus_slice name);

/* ---- callers ---- */

/* Takes the bytes of *msg over (which is left empty) and reads the header. NULL with *ret_code: not a CALL's header. */
request_t *request_new(zmq_msg_t *msg, mk_code *ret_code);

/* For a request that never entered the exchange. */
void request_free(request_t *self);

typedef enum exchange_entry {
    EXCHANGE_TAKEN,     /* will be, or has been answered through the port */
    EXCHANGE_DUPLICATE, /* the same call again: dropped and freed */
} exchange_entry;

/* caller, client and client_link are set. Takes the request over. */
exchange_entry exchange_call(exchange_t *self, request_t *request);

/* Answers and frees a request that is in the exchange, or new. */
void exchange_finish(exchange_t *self, request_t *request, const exchange_answer *answer);

void exchange_cancel(exchange_t *self, request_t *request);

/* The client can't be reached any more: its link is taken off; what it still waits for is dropped or runs on unheard.
 */
void exchange_client_gone(exchange_t *self, request_t *request);

/* ---- workers ---- */

typedef struct worker_offer {
    const bus_header *header; /* credit, api_majors, shards */
    void *peer;
} worker_offer;

/* A new worker, or *again with new terms. NULL: too many workers of this service. It may be gone already, if what it
 * was sent at once didn't reach it: the caller links a new one to its peer, then calls exchange_settle. */
worker_t *exchange_ready(exchange_t *self, service_t *service, worker_t *again, const worker_offer *offer);

void exchange_credit(exchange_t *self, worker_t *worker, uint32_t more);

/* false: nothing of that tag is in flight there (late, repeated, made up). */
bool exchange_reply(exchange_t *self, worker_t *worker, const bus_header *header, bus_slice body);
bool exchange_reject(exchange_t *self, worker_t *worker, const bus_header *header);

/* The living worker that a tag of ours names, or NULL. */
worker_t *exchange_worker_of(const exchange_t *self, uint64_t tag);

void exchange_drain_worker(exchange_t *self, worker_t *worker);
void exchange_suspect(exchange_t *self, worker_t *worker);
void exchange_revive(exchange_t *self, worker_t *worker); /* it spoke */

typedef enum worker_loss {
    LOSS_DEAD,    /* what was in flight may or may not have run */
    LOSS_BYE,     /* it says that it holds nothing: what is in flight did not run */
    LOSS_REVOKED, /* no longer allowed: its requests are not run again */
} worker_loss;

void exchange_lose(exchange_t *self, worker_t *worker, worker_loss loss);

/* ---- time ---- */

void exchange_expire(exchange_t *self);
uint64_t exchange_next_expiry(const exchange_t *self); /* 0 = none */

/* No new calls; those that are in go on. */
void exchange_drain(exchange_t *self);

/* ---- shared by the exchange's own files ---- */

void request_move(exchange_t *self, request_t *request, request_state state, bus_list *list, bool front);
void request_route(exchange_t *self, request_t *request, bool front);
uint32_t worker_free(const worker_t *worker);
lane_t *lane_find(const service_t *service, uint32_t major, uint32_t shard);
lane_t *lane_for(const service_t *service, uint32_t major, uint32_t shard);
bool lane_join(service_t *service, worker_t *worker, uint32_t major, uint32_t shard, uint64_t epoch);
void lane_leave_all(exchange_t *self, worker_t *worker);
worker_t *lane_pick(const lane_t *lane, const request_t *request);
bool lane_offers(const lane_t *lane, const request_t *request); /* someone may take it, free or not */
void lane_pump(exchange_t *self, lane_t *lane);
void worker_pump(exchange_t *self, worker_t *worker);
void worker_mark_gone(exchange_t *self, worker_t *worker, worker_loss loss); /* exchange_settle does the rest */
void request_lost(exchange_t *self, request_t *request, worker_loss loss);
uint32_t request_executed(const request_t *request);
void exchange_settle(exchange_t *self);

#endif
