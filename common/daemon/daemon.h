/* SPDX-License-Identifier: Apache-2.0 */
/* What every service process has in common: settings, log, one zloop, signals through signalfd, ops port, drain.
 *
 * SIGTERM or SIGINT: drain (readyz answers 503, on_drain runs, the loop goes on until every holder let go or
 * drain.limit_s is over); a second one: end now. SIGHUP: reload settings, then on_reload.
 * If the drain hangs, a killer thread exits with 124. */
#ifndef MYKEY_DAEMON_DAEMON_H
#define MYKEY_DAEMON_DAEMON_H

#include <czmq.h>
#include <stdbool.h>

#include "common/base/code.h"
#include "common/conf/conf.h"
#include "common/metrics/metrics.h"

typedef struct daemon daemon_t;

typedef struct daemon_spec {
    const char *program;      /* "mykey-registry" */
    const char *service;      /* "registry" */
    const conf_table *tables; /* the service's own settings and those of its libraries, e.g. bus_conf_table() */
    size_t table_count;
    bool serves_many; /* gives up running the moment it is woken, for doing more at a time (docs/adr/0007) */
} daemon_spec;

/* Adds the common rows (log.level, ops.listen, drain.limit_s), loads settings, opens the log, blocks signals,
 * makes the loop, locks down core dumps. NULL: *ret_exit is the exit status (0 after --print-config etc., 2 on error).
 */
daemon_t *daemon_new(const daemon_spec *spec, int argc, char **argv, int *ret_exit);
void daemon_destroy(daemon_t **self_p);

zloop_t *daemon_loop(daemon_t *self);
metrics_t *daemon_metrics(daemon_t *self);
const char *daemon_instance(daemon_t *self); /* "registry-1a2b3c4d", new at each start */

/* A named reason why /readyz is not 200 ("database", "broker"); all start as not ready. `name` must be static. */
void daemon_set_ready(daemon_t *self, const char *name, bool ready);

typedef void daemon_fn(void *arg);
void daemon_on_drain(daemon_t *self, daemon_fn *fn, void *arg); /* several may be added */
void daemon_on_reload(daemon_t *self, daemon_fn *fn, void *arg);

/* While draining, the process ends when the count of holds is 0. */
void daemon_hold(daemon_t *self);
void daemon_release(daemon_t *self);
bool daemon_draining(const daemon_t *self);

/* Runs the loop. The exit status of the process: 0 after a clean drain, 1 if drain.limit_s ended it or a handler of
 * the loop returned -1, else what daemon_fail said. A second SIGTERM or SIGINT exits with 128 + its number. */
int daemon_run(daemon_t *self);

/* Ends the loop with this exit status (a fault of our own that a restart may mend). */
void daemon_fail(daemon_t *self, int status);

#endif
