/* SPDX-License-Identifier: Apache-2.0 */
/* The shared secret by which the edge proves itself. The file is the edge's own map file: a line "edge SECRET". A
 * second such line is accepted too, so that edges can be changed to a new secret one after the other. */
#ifndef MYKEY_GATEWAY_SECRET_H
#define MYKEY_GATEWAY_SECRET_H

#include <stdbool.h>

#include "common/base/code.h"

typedef struct edge_secret edge_secret_t;

/* The file: at most two lines, secrets of 32 to 128 of A-Z a-z 0-9 -, readable by nobody but its owner. *ret_why
 * (static) says what is wrong: "missing", "mode", "form". */
mk_code edge_secret_load(const char *path, edge_secret_t **ret_secret, const char **ret_why) MK_CHECKED;
void edge_secret_destroy(edge_secret_t **self_p);

/* In a time that doesn't depend on the contents. NULL is wrong. */
bool edge_secret_matches(const edge_secret_t *self, const char *offered);

#endif
