/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN's only home: one page of memory that the main process and the card child share. It is locked in RAM, left out
 * of core dumps, and wiped after the one VERIFY, on clear, cancel, timeout and whenever a card session ends. */
#ifndef MYKEY_AGENT_PIN_H
#define MYKEY_AGENT_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PIN_LENGTH = 4, PIN_APDU_SIZE = 5 + PIN_LENGTH };

typedef struct pin pin_t;

/* Makes the page behind a descriptor that can be handed to the child. NULL if the kernel refuses (memory, mlock). */
pin_t *pin_new(void);
void pin_destroy(pin_t **self_p);

/* The descriptor to hand on, and the child's view of it. pin_map takes ownership of fd. */
int pin_fd(const pin_t *self);
pin_t *pin_map(int fd);

/* One key: '0' … '9'. False, and nothing kept, for another character or a full PIN. */
bool pin_push(pin_t *self, char digit);
unsigned pin_count(const pin_t *self);
bool pin_complete(const pin_t *self);

/* Composes 00 20 00 80 04 d1 d2 d3 d4 inside the page; NULL unless complete. Wipe after its one use. */
const uint8_t *pin_verify_apdu(pin_t *self);

void pin_wipe(pin_t *self);

#endif
