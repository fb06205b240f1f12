/* SPDX-License-Identifier: Apache-2.0 */
/* The card's processor: what it answers to each command, and what it forgets at reset and without power. */
#ifndef MYKEY_SIMCARD_APPLET_H
#define MYKEY_SIMCARD_APPLET_H

#include "tools/simcard/apdu.h"
#include "tools/simcard/card.h"

enum { REPLY_MAX = 65535 };

/* Status word included. size < 2 only by a fault. */
typedef struct reply {
    uint8_t data[REPLY_MAX];
    size_t size;
} reply;

void reply_set_sw(reply *self, uint16_t sw);                                /* only a status word */
void reply_set(reply *self, const uint8_t *data, size_t size, uint16_t sw); /* data and status word */
uint16_t reply_sw(const reply *self);                                       /* 0 if there is none */

typedef struct applet applet_t;

/* The card must outlive the applet. Begins without power. */
applet_t *applet_new(card_t *card);
void applet_destroy(applet_t **self_p);

bool applet_powered(const applet_t *self);
void applet_power_on(applet_t *self);
void applet_power_off(applet_t *self); /* forgets everything */
void applet_reset(applet_t *self);     /* warm: forgets the selection, keeps a verified PIN */

/* Runs one command and answers; never fails. */
void applet_run(applet_t *self, const uint8_t *bytes, size_t size, reply *ret_reply);

/* The file that is selected, or that the last command named by its short id. NULL: none. */
const card_file *applet_file(const applet_t *self);

/* "-" without a selected applet, else "jpki" or "face". */
const char *applet_selected_name(const applet_t *self);

/* For faults: believes that the PIN was right. */
void applet_force_verified(applet_t *self);

#endif
