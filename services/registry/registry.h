/* SPDX-License-Identifier: Apache-2.0 */
/* The registry service: what its methods stand on, and its life. */
#ifndef MYKEY_REGISTRY_REGISTRY_H
#define MYKEY_REGISTRY_REGISTRY_H

#include <czmq.h>
#include <stdbool.h>

#include "common/base/code.h"
#include "common/bus/bus.h"
#include "common/conf/conf.h"
#include "common/db/db.h"
#include "common/keyfile/keyfile.h"
#include "common/metrics/metrics.h"

typedef struct registry registry_t;

/* The rows registry.*. */
conf_table registry_conf_table(void);

/* Ready: the database answers and the deletion log has been replayed. Called on each change. */
typedef void registry_state_fn(bool ready, void *arg);

/* Uses the settings. *ret_why (static) says what is wrong with which file. */
mk_code registry_new(zloop_t *loop, metrics_t *metrics, registry_state_fn *on_state, void *arg,
                     registry_t **ret_registry, const char **ret_why) MK_CHECKED;
void registry_destroy(registry_t **self_p);

/* For bus_serve; lives as long as the registry. */
const bus_service *registry_service(registry_t *self);

#endif
