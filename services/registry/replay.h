/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out the deletion log against the database, again and again the same: at every connect (a restored back-up
 * comes with one) before anything is served, and after a deletion that failed half-way. */
#ifndef MYKEY_REGISTRY_REPLAY_H
#define MYKEY_REGISTRY_REPLAY_H

#include <czmq.h>

#include "services/registry/deletion_log.h"

typedef struct replay replay_t;
struct registry;

/* done: the whole log has been carried out since replay_start. */
replay_t *replay_new(struct registry *registry, void (*done)(struct registry *registry));
void replay_destroy(replay_t **self_p);

/* From the log's first line. */
void replay_start(replay_t *self);

/* In a second. */
void replay_soon(replay_t *self);

/* The database is gone. */
void replay_stop(replay_t *self);

#endif
