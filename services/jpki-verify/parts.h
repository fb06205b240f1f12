/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's folder: a file for each list that was taken (under parts/, an index of one part), and their union
 * "index", which verifiers map. Files are written beside their place and renamed: whoever dies leaves what was there.
 */
#ifndef MYKEY_JPKI_PARTS_H
#define MYKEY_JPKI_PARTS_H

#include "services/jpki-verify/list.h"

typedef struct parts parts_t;

/* Makes the folder if it isn't there and removes what an earlier process has left half done. NULL: *ret_why (static).
 */
parts_t *parts_new(const char *folder, const char **ret_why);
void parts_destroy(parts_t **self_p);

/* A file of ours without a name: the copy of a list, which nobody can change under its reader. -1: no space. */
int parts_scratch(const parts_t *self);

/* A file for a part, empty. -1: no space. One at a time. */
int parts_begin(parts_t *self);

/* The file that parts_begin made, now written by a reader, takes the place of the older part of its key. LIST_TAKEN,
 * also for one that is in use already (*ret_changed is then false); LIST_FAULT_OLDER; LIST_FAULT_READER: it is no part.
 */
list_fault parts_take(parts_t *self, bool *ret_changed);
void parts_forget(parts_t *self);

/* What parts_publish has seen. */
typedef struct parts_state {
    size_t parts;
    uint64_t revoked;
    int64_t this_update, next_update; /* the oldest, the first */
} parts_state;

/* Writes the index of all parts but those that ended more than PARTS_KEPT_S ago, which are removed. false: no space. */
bool parts_publish(parts_t *self, int64_t now_s, parts_state *ret_state);

enum { PARTS_KEPT_S = 30 * 86400 };

#endif
