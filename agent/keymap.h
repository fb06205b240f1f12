/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys type a number: tables from characters to Linux key codes, the same that a keyboard-wedge scanner sends. */
#ifndef MYKEY_AGENT_KEYMAP_H
#define MYKEY_AGENT_KEYMAP_H

#include <stddef.h>

#include "agent/rules.h"

enum { KEYMAP_STROKES_MAX = NUMBER_MAX + 4 };

typedef enum keymap_layout { KEYMAP_JP, KEYMAP_US } keymap_layout;

typedef struct key_stroke {
    unsigned short code; /* KEY_… of <linux/input-event-codes.h> */
    bool shift;
} key_stroke;

/* "jp" or "us"; false for another name. */
bool keymap_find(const char *name, keymap_layout *ret_layout);

/* The strokes for a number by the operator's rules: start and stop letters if wanted, then the suffix. NUMBER_INVALID
 * for a character that the operator's symbology has not. */
problem_t keymap_plan(keymap_layout layout, const output_rules *rules, const char *number,
                      key_stroke out[KEYMAP_STROKES_MAX], size_t *ret_count);

#endif
