/* SPDX-License-Identifier: Apache-2.0 */
/* A timer of the loop that fires once and can be set again. Embed it; set up with oneshot_init. */
#ifndef MYKEY_AGENT_ONESHOT_H
#define MYKEY_AGENT_ONESHOT_H

#include <czmq.h>

typedef void oneshot_fn(void *arg);

typedef struct oneshot {
    zloop_t *loop;
    int id; /* -1 = not set */
    oneshot_fn *fn;
    void *arg;
} oneshot_t;

void oneshot_init(oneshot_t *self, zloop_t *loop, oneshot_fn *fn, void *arg);

/* Replaces what was set; 0 ms fires in the next turn of the loop. */
void oneshot_set(oneshot_t *self, size_t ms);
void oneshot_stop(oneshot_t *self);

#endif
