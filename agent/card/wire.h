/* SPDX-License-Identifier: Apache-2.0 */
/* What main and card child say to each other over a SOCK_SEQPACKET pair. One program, so plain structs. */
#ifndef MYKEY_AGENT_CARD_WIRE_H
#define MYKEY_AGENT_CARD_WIRE_H

#include <stdint.h>

#include "agent/card/jpki_card.h"

enum { CARD_CHILD_SOCKET = 3, CARD_CHILD_PIN = 4 }; /* descriptors that the child starts with */

typedef enum card_verb {
    CARD_OPEN = 1, /* connect, select, read certificate and tries */
    CARD_VERIFY,   /* the PIN stands in the shared page */
    CARD_SIGN,     /* data = canonical statement */
    CARD_CLOSE,    /* unpower */
    CARD_UNPOWER,  /* first thing after a child was lost: its session's PIN may stand verified */
    CARD_PRESENCE, /* child only: readers and cards; at least once a second while idle */
} card_verb;

typedef struct card_order {
    uint32_t verb;
    uint32_t seq;
    uint32_t size;
    uint8_t data[JPKI_STATEMENT_MAX];
} card_order;

typedef struct card_report {
    uint32_t verb; /* of the order that this answers, or CARD_PRESENCE */
    uint32_t seq;
    uint32_t problem; /* OPEN … CLOSE: result; PRESENCE: of the reader (READER_…) or MK_OK */
    uint32_t tries;   /* OPEN, VERIFY */
    uint32_t cards;   /* PRESENCE: 0, 1, 2 = several */
    uint32_t size;
    uint8_t data[JPKI_CERT_MAX]; /* OPEN: certificate; SIGN: signature */
} card_report;

#endif
