/* SPDX-License-Identifier: Apache-2.0 */
/* What the method files share: the registry's parts, the statements and the method table. */
#ifndef MYKEY_REGISTRY_CONTEXT_H
#define MYKEY_REGISTRY_CONTEXT_H

#include "services/registry/batch.h"
#include "services/registry/deletion_log.h"
#include "services/registry/registry.h"
#include "services/registry/replay.h"
#include "services/registry/statements.tbl.h"

#define STATEMENT_ENUM(id, name, params, coded, sql) STATEMENT_##id,
typedef enum statement_id { REGISTRY_STATEMENTS(STATEMENT_ENUM) STATEMENT_COUNT } statement_id;
#undef STATEMENT_ENUM

extern const db_statement registry_statements[STATEMENT_COUNT];
extern const bool registry_statement_coded[STATEMENT_COUNT];

struct registry {
    zloop_t *loop;
    db_t *db;
    keyring_t *ticket_keys, *suspend_keys;
    deletion_log_t *deletions;
    replay_t *replay;
    batch_t *resolve_batch, *terminal_batch;
    bus_service service;
    bool ready;
    registry_state_fn *on_state;
    void *arg;
    int sweep_timer;
    metric_t *requests, *seconds, *swept, *batched, *batches, *undone;
};

/* The platform's terms that are in force. */
const char *registry_terms_version(void);

#endif
