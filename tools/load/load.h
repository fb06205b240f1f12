/* SPDX-License-Identifier: Apache-2.0 */
/* The run: lines, arrivals, signatures and the report, in one loop. */
#ifndef MYKEY_LOAD_LOAD_H
#define MYKEY_LOAD_LOAD_H

#include <stdbool.h>

#include "tools/load/options.h"

typedef struct load load_t;

/* Reads terminals and cards. NULL after saying on stderr what can't be used. */
load_t *load_new(const options_t *options);
void load_destroy(load_t **self_p);

/* Opens every connection and learns what the platform signs for. False after saying on stderr what is wrong. */
bool load_connect(load_t *self);

/* Makes the taps and prints the report. True: every tap ended well. */
bool load_run(load_t *self);

#endif
