/* SPDX-License-Identifier: Apache-2.0 */
/* What the cards were told: one JSON line per event and command, in sessions from power on to power off. Never a PIN,
 * nor any data in either direction: lengths only. */
#ifndef MYKEY_SIMCARD_JOURNAL_H
#define MYKEY_SIMCARD_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JOURNAL_LABEL_MAX = 64, JOURNAL_LINES_MAX = 20000 };

typedef struct journal journal_t;

journal_t *journal_new(void);
void journal_destroy(journal_t **self_p);

/* Where lines stand: a session is a number from 1, 0 outside any. */
typedef struct journal_place {
    unsigned slot, session;
    const char *card;
} journal_place;

/* The number of a new session. */
unsigned journal_next_session(journal_t *self);

/* event: "insert", "remove", "power-on", "reset", "power-off". */
void journal_event(journal_t *self, const journal_place *place, const char *event);

typedef struct journal_command {
    unsigned number;      /* in the session, from 1 */
    const char *command;  /* "verify" */
    const uint8_t *bytes; /* the APDU, of which at most the four header bytes are written */
    size_t size;
    size_t lc, le;
    const char *applet; /* "jpki", "-" */
    const char *file;   /* name of the selected file, NULL = none */
    const char *aid;    /* hex of an applet that was asked for, NULL else */
    bool executed;
    bool answered;
    uint16_t sw;
    size_t reply_size; /* status word included */
} journal_command;

void journal_add(journal_t *self, const journal_place *place, const journal_command *command);

/* Written into each later line as "label"; "" for none. Only letters, digits, '-', '_', '.' are kept. */
void journal_set_label(journal_t *self, const char *label);

/* The newest JOURNAL_LINES_MAX lines, oldest first, without line ends. Valid until the next addition. */
size_t journal_count(const journal_t *self);
const char *journal_line(const journal_t *self, size_t index);
void journal_clear(journal_t *self);

#endif
