/* SPDX-License-Identifier: Apache-2.0 */
/* PC/SC: hot-plugged readers, card presence, one exclusive connection. Every call may block for ever inside pcscd, so
 * only the watchdogged card child may use this. */
#ifndef MYKEY_AGENT_CARD_READER_H
#define MYKEY_AGENT_CARD_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/problem.h"

typedef struct reader reader_t;

typedef struct reader_presence {
    problem_t problem; /* MK_OK, READER_MISSING, READER_SERVICE_DOWN, READER_BUSY */
    unsigned cards;    /* 0, 1, 2 = several */
    unsigned events;   /* of a card's slot: another count, and it was away or is another one */
} reader_presence;

/* filter: only readers whose name contains it; "" = all. */
reader_t *reader_new(const char *filter);
void reader_destroy(reader_t **self_p);

/* Waits at most timeout_ms for a change, then says what is there. A card whose connection broke counts as gone until
 * its slot reports a change (or 2 s have passed: a contactless card that never left). */
reader_presence reader_watch(reader_t *self, unsigned timeout_ms);

/* Connects, exclusively, to the one card. */
problem_t reader_connect(reader_t *self);

/* False too after reader_watch found the card gone. */
bool reader_is_connected(const reader_t *self);

/* An apdu_transmit_fn; arg = the reader. */
problem_t reader_transmit(void *arg, const uint8_t *command, size_t size, uint8_t *reply, size_t cap, size_t *ret_size);

/* Unpowers whatever lies there, even if other programs have come to share it. */
void reader_unpower(reader_t *self);

/* Always unpowers the card, so that no other program inherits a verified PIN. broken: the card went away. */
void reader_disconnect(reader_t *self, bool broken);

#endif
