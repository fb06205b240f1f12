/* SPDX-License-Identifier: Apache-2.0 */
/* Main's end of the card child: starts it, hands it orders, kills and restarts it when it stays silent. */
#ifndef MYKEY_AGENT_CARD_LINK_H
#define MYKEY_AGENT_CARD_LINK_H

#include <czmq.h>

#include "agent/card/wire.h"
#include "agent/pin.h"

typedef struct card_link card_link_t;

typedef struct card_link_options {
    const char *reader_filter;
    unsigned timeout_ms; /* silence after which the child counts as stuck */
    pin_t *pin;
} card_link_options;

/* A report of the child, or, after it was killed or died: verb PRESENCE with READER_STUCK and no card. */
typedef void card_report_fn(const card_report *report, void *arg);

/* NULL if the first child can't be started. */
card_link_t *card_link_new(zloop_t *loop, const card_link_options *options, card_report_fn *fn, void *arg);
void card_link_destroy(card_link_t **self_p);

/* Sends an order; its report carries the same verb. Reports of earlier orders are dropped from now on. data: only for
 * CARD_SIGN. */
void card_link_order(card_link_t *self, card_verb verb, const uint8_t *data, size_t size);

/* Children killed or lost since the start (metrics). */
unsigned card_link_restarts(const card_link_t *self);

#endif
