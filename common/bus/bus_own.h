/* SPDX-License-Identifier: Apache-2.0 */
/* What the library's own files share. */
#ifndef MYKEY_BUS_BUS_OWN_H
#define MYKEY_BUS_BUS_OWN_H

#include "common/bus/bus.h"
#include "common/bus/bus_frame.h"
#include "common/bus/bus_heap.h"
#include "common/bus/bus_key.h"
#include "common/bus/bus_list.h"
#include "common/bus/bus_map.h"
#include "common/bus/bus_poll.h"
#include "common/bus/bus_route.h"
#include "common/bus/bus_socket.h"

enum { BUS_LINKS = 2, BUS_OFFERS_MAX = 4 };

typedef enum link_state {
    LINK_UNUSED,     /* no such broker is configured */
    LINK_DOWN,       /* no socket; opens again when the back-off is over */
    LINK_CONNECTING, /* until the first answer */
    LINK_UP,
    LINK_LEAVING, /* the broker said GOAWAY: no new calls */
} link_state;

/* One broker: the socket is thrown away and made again after each loss, since libzmq does not come back from a refused
 * handshake. */
typedef struct bus_link {
    bus_peer_t *peer;
    const char *name; /* "a", "b" */
    const char *endpoint, *key_path;
    link_state state;
    void *socket, *watch;
    bus_poll socket_poll, watch_poll;
    bus_outbox outbox;
    bus_list calls; /* sent here, not answered */
    unsigned call_count;
    uint64_t generation; /* of the socket */
    uint64_t heard_us;
    uint64_t reopen_us;
    unsigned failures, ticks;
} bus_link;

typedef struct bus_offer {
    const bus_service *service;
    bus_shard shards[BUS_SHARDS_MAX];
    size_t shard_count;
} bus_offer;

typedef struct bus_metrics {
    metric_t *calls, *call_time, *jobs, *job_time, *link_up, *resent, *retries, *breakers, *dropped;
} bus_metrics;

struct bus_peer {
    zloop_t *loop;
    void *context;
    bus_key key;
    char instance[65];
    bus_link links[BUS_LINKS];
    bus_map calls; /* by id */
    bus_heap deadlines, retries;
    bus_list refused; /* calls to be told so from the loop */
    bus_list resting; /* calls that come again after BUSY */
    bus_routes routes;
    bus_alarm alarm, flush, later;
    int tick_timer;
    uint64_t last_id;
    bus_state_fn *on_state;
    void *state_arg;
    bool connected;
    bus_offer offers[BUS_OFFERS_MAX];
    unsigned offer_count;
    bus_list jobs;
    unsigned job_count;
    bool draining, gone;
    void (*on_drained)(void *arg);
    void *drained_arg;
    bool has_metrics;
    bus_metrics metrics;
    uint8_t random[1024];
    size_t random_left;
};

/* bus.c */
void bus_random(bus_peer_t *self, uint8_t *out, size_t size);
const bus_link *bus_link_named(const bus_peer_t *self, const char *name); /* NULL: not set */
void bus_drop(bus_peer_t *self, const char *reason);
void bus_later(bus_peer_t *self); /* run bus_calls_tell and bus_jobs_check from the loop */

/* link.c */
void link_init(bus_link *self, bus_peer_t *peer, const char *name, const char *endpoint, const char *key_path);
void link_open(bus_link *self);
void link_close(bus_link *self);
void link_tick(bus_link *self, uint64_t now_us);
bus_sent link_send(bus_link *self, bus_command command, const bus_header *header, bus_slice body);
bus_sent link_send_msg(bus_link *self, zmq_msg_t *msg);
bool link_flush(bus_link *self);

/* call.c */
void bus_calls_reply(bus_link *link, const bus_header *header, bus_slice body);
void bus_calls_lost(bus_link *link);
void bus_calls_expire(bus_peer_t *self);
void bus_calls_retry(bus_peer_t *self);
void bus_calls_tell(bus_peer_t *self);
void bus_calls_free(bus_peer_t *self);

/* job.c */
void bus_jobs_hello(bus_link *link); /* READY for each service */
void bus_jobs_take(bus_link *link, zmq_msg_t *msg);
void bus_jobs_cancel(bus_link *link, const bus_header *header);
void bus_jobs_check(bus_peer_t *self); /* drained? */
void bus_jobs_free(bus_peer_t *self);

#endif
