/* SPDX-License-Identifier: Apache-2.0 */
/* Types a number into the window that has the focus, through a virtual keyboard of the kernel (uinput). */
#ifndef MYKEY_AGENT_KEYBOARD_H
#define MYKEY_AGENT_KEYBOARD_H

#include <czmq.h>

#include "agent/keymap.h"

typedef struct keyboard keyboard_t;

/* path: "/dev/uinput". Nothing is opened yet. */
keyboard_t *keyboard_new(zloop_t *loop, const char *path, keymap_layout layout);
void keyboard_destroy(keyboard_t **self_p);

/* Plugs the virtual keyboard in; the desktop needs a moment to notice it (the countdown). KEYBOARD_UNAVAILABLE. */
problem_t keyboard_plug(keyboard_t *self);

/* Types; done(ok) is called from the loop after the last key. NUMBER_INVALID, KEYBOARD_UNAVAILABLE. */
typedef void keyboard_done_fn(bool ok, void *arg);
problem_t keyboard_type(keyboard_t *self, const output_rules *rules, const char *number, keyboard_done_fn *done,
                        void *arg);

/* Stops typing if it goes on (no key stays pressed) and unplugs. done is not called. */
void keyboard_unplug(keyboard_t *self);

/* The events of one stroke, press and release with their reports; returns how many were written to out (at most 8). For
 * the writer and its golden tests. */
struct input_event;
size_t keyboard_events(key_stroke stroke, struct input_event *out);

#endif
