/* SPDX-License-Identifier: Apache-2.0 */
/* Resolve's look-ups. */
#ifndef MYKEY_REGISTRY_RESOLVE_H
#define MYKEY_REGISTRY_RESOLVE_H

#include "services/registry/batch.h"

batch_t *resolve_batch_new(struct registry *registry);

#endif
