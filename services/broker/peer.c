/* SPDX-License-Identifier: Apache-2.0 */
#include "services/broker/peer.h"

#include <stdlib.h>
#include <string.h>

void peers_init(peers_t *self, bus_poll *router, size_t max)
{
    *self = (peers_t){.router = router, .max = max};
    bus_map_init(&self->by_id);
    bus_list_init(&self->all);
    bus_list_init(&self->flush);
    bus_list_init(&self->gone);
}

void peers_free(peers_t *self)
{
    for (bus_list *node; (node = bus_list_first(&self->all));) peers_remove(self, BUS_OWNER(node, peer_t, link));
    bus_map_free(&self->by_id);
}

peer_t *peers_find(const peers_t *self, bus_slice id)
{
    uint64_t hash = bus_hash(2, id.data, id.size);
    for (bus_map_node *node = NULL; (node = bus_map_find(&self->by_id, hash, node));) {
        peer_t *peer = BUS_OWNER(node, peer_t, node);
        if (bus_slice_same(id, (bus_slice){peer->id, peer->id_size})) return peer;
    }
    return NULL;
}

peer_t *peers_add(peers_t *self, bus_slice id, const char *key)
{
    if (self->by_id.count >= self->max) return NULL;
    peer_t *peer = calloc(1, sizeof *peer + id.size);
    if (!peer) return NULL;
    memcpy(peer->id, id.data, id.size);
    peer->id_size = id.size;
    memcpy(peer->key, key, sizeof peer->key);
    bus_list_init(&peer->requests);
    bus_list_init(&peer->workers);
    bus_outbox_init(&peer->outbox);
    bus_list_push(&self->all, &peer->link);
    bus_map_add(&self->by_id, &peer->node, bus_hash(2, id.data, id.size));
    return peer;
}

void peers_remove(peers_t *self, peer_t *peer)
{
    bus_map_remove(&self->by_id, &peer->node);
    bus_list_remove(&peer->link);
    bus_list_remove(&peer->flush_link);
    bus_list_remove(&peer->gone_link);
    bus_outbox_clear(&peer->outbox);
    free(peer);
}

void peers_mark_gone(peers_t *self, peer_t *peer)
{
    if (peer->gone) return;
    peer->gone = true;
    bus_list_remove(&peer->flush_link);
    bus_outbox_clear(&peer->outbox);
    bus_list_push(&self->gone, &peer->gone_link);
}

bus_sent peers_send(peers_t *self, peer_t *peer, bus_command command, const bus_header *header, bus_slice body)
{
    zmq_msg_t msg;
    if (peer->gone) return BUS_GONE;
    if (bus_frame_build(&msg, command, header, body) != MK_OK) {
        self->dropped++;
        return BUS_FULL;
    }
    bus_sent sent = bus_outbox_send(&peer->outbox, self->router->socket, (bus_slice){peer->id, peer->id_size}, &msg);
    bus_poll_sent(self->router);
    if (sent == BUS_QUEUED && !bus_list_linked(&peer->flush_link)) bus_list_push(&self->flush, &peer->flush_link);
    if (sent == BUS_FULL) self->dropped++;
    if (sent == BUS_GONE) peers_mark_gone(self, peer);
    return sent;
}

bool peers_flush(peers_t *self)
{
    BUS_LIST_EACH(node, &self->flush)
    {
        peer_t *peer = BUS_OWNER(node, peer_t, flush_link);
        bus_sent sent = bus_outbox_flush(&peer->outbox, self->router->socket, (bus_slice){peer->id, peer->id_size});
        if (sent == BUS_GONE) peers_mark_gone(self, peer);
        if (sent == BUS_SENT) bus_list_remove(node);
    }
    bus_poll_sent(self->router);
    return !bus_list_empty(&self->flush);
}
