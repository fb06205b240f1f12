/* SPDX-License-Identifier: Apache-2.0 */
/* What every act for a holder hands to its statement: who, where, and which request this is. */
#ifndef MYKEY_REGISTRY_ACT_H
#define MYKEY_REGISTRY_ACT_H

#include "services/registry/call.h"
#include "services/registry/params.h"

/* The two hashes of the request, by which a repeat is known. Kept in the call until its reply. */
void act_add_request(call_t *call, params_t *params);

/* Credential, operator (the ticket's audience), and the two hashes. */
void act_add(call_t *call, params_t *params);

/* Starts an act whose ticket binds nothing more (no object): that statement with act_add's parameters. */
mk_code act_start(call_t *call, statement_id statement, call_rows_fn *on_rows) MK_CHECKED;

#endif
