/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of known principals, found by routing id; made by an authenticated message, bounded in number. */
#ifndef MYKEY_BROKER_PEER_H
#define MYKEY_BROKER_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bus/bus_frame.h"
#include "common/bus/bus_key.h"
#include "common/bus/bus_list.h"
#include "common/bus/bus_map.h"
#include "common/bus/bus_poll.h"
#include "common/bus/bus_socket.h"
#include "services/broker/acl.h"

typedef struct peer {
    bus_map_node node;
    bus_list link, flush_link, gone_link;
    bus_list requests; /* request_t.client_link */
    bus_list workers;  /* worker_t.peer_link */
    bus_outbox outbox;
    char key[BUS_KEY_TEXT + 1]; /* what the handshake proved */
    const acl_entry *entry;     /* of the present table; NULL only while gone */
    uint64_t seen_us;
    bool gone;
    size_t id_size;
    uint8_t id[];
} peer_t;

typedef struct peers {
    bus_poll *router;
    bus_map by_id;
    bus_list all, flush, gone;
    size_t max;
    uint64_t dropped; /* messages that had to be thrown away */
} peers_t;

void peers_init(peers_t *self, bus_poll *router, size_t max);
void peers_free(peers_t *self);

/* NULL: not seen before. */
peer_t *peers_find(const peers_t *self, bus_slice id);

/* NULL: too many. */
peer_t *peers_add(peers_t *self, bus_slice id, const char *key);

/* Takes the peer off and frees it; its lists must be empty. */
void peers_remove(peers_t *self, peer_t *peer);

/* Builds and sends. A peer found gone is put in self->gone for the broker to bury. */
bus_sent peers_send(peers_t *self, peer_t *peer, bus_command command, const bus_header *header, bus_slice body);

/* Tries again what a full pipe would not take; true = some is left. */
bool peers_flush(peers_t *self);

void peers_mark_gone(peers_t *self, peer_t *peer);

#endif
