/* SPDX-License-Identifier: Apache-2.0 */
/* FindTerminal's look-ups. */
#ifndef MYKEY_REGISTRY_TERMINALS_H
#define MYKEY_REGISTRY_TERMINALS_H

#include "services/registry/batch.h"

batch_t *terminal_batch_new(struct registry *registry);

#endif
