/* SPDX-License-Identifier: Apache-2.0 */
/* One slot of the virtual reader: the connection to vpcd that stands for a card lying on it. Inserting connects,
 * removing closes; vpcd's messages are a 16-bit length and bytes, one byte meaning power off, on, reset or ATR. */
#ifndef MYKEY_SIMCARD_READER_H
#define MYKEY_SIMCARD_READER_H

#include "tools/simcard/fault.h"
#include "tools/simcard/journal.h"

typedef struct reader reader_t;

typedef struct reader_options {
    unsigned slot;
    uint16_t port; /* of vpcd on 127.0.0.1 */
    const char *cards_dir;
    fault_t *fault;     /* shared by the slots */
    journal_t *journal; /* shared by the slots */
} reader_options;

reader_t *reader_new(const reader_options *options);
void reader_destroy(reader_t **self_p);

enum { READER_GAP_MS = 1200 }; /* pcscd looks at a virtual reader every 400 ms; a real one always notices */

/* Takes out what is there and inserts that card, not before the reader has been empty for READER_GAP_MS. When vpcd
 * isn't there yet the card waits for it. Fails, changing nothing, when the card can't be loaded. */
mk_code reader_insert(reader_t *self, const char *name, char *why) MK_CHECKED;
void reader_remove(reader_t *self);

/* The card lying there, NULL if none. */
card_t *reader_card(const reader_t *self);

/* "empty", "waiting" (for the gap after a removal, or for vpcd), "inserted", "powered". */
const char *reader_state(const reader_t *self);

/* For poll: the descriptor, -1 if there is none, and the milliseconds until reader_run is due, -1 = never. */
int reader_fd(const reader_t *self);
int reader_due_ms(const reader_t *self, uint64_t now_ms);

/* Reads what has come and does what is due. */
void reader_run(reader_t *self, bool readable, uint64_t now_ms);

#endif
