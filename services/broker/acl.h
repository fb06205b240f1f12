/* SPDX-License-Identifier: Apache-2.0 */
/* Who is who, and who may call and serve what. The file is ZPL:
 *
 *     principal
 *         registry
 *             key = "<40 characters of Z85>"      # a second key line = the next key, during rotation
 *             serve = registry
 *             call = "jpki-verify.RevocationStatus"
 *             call = "bus.*"
 *
 * A table is never changed: a reload parses the whole file and swaps. */
#ifndef MYKEY_BROKER_ACL_H
#define MYKEY_BROKER_ACL_H

#include <stdbool.h>

#include "common/base/code.h"
#include "common/bus/bus_header.h"

enum { ACL_PRINCIPALS_MAX = 128, ACL_KEYS_MAX = 2, ACL_SERVE_MAX = 8, ACL_CALL_MAX = 64, ACL_NAME_MAX = 32 };

/* A name that has been a principal since the start; lives as long as the process, so that requests may point to it. */
typedef struct principal {
    char name[ACL_NAME_MAX + 1];
    unsigned index; /* 0 … ACL_PRINCIPALS_MAX - 1 */
} principal_t;

typedef struct acl acl_t;
typedef struct acl_entry acl_entry;

typedef struct acl_names acl_names_t; /* the principals seen so far */
acl_names_t *acl_names_new(void);
void acl_names_destroy(acl_names_t **self_p);

/* Parses a whole file's text. BAD_REQUEST with *ret_why (static) and *ret_line_name (in why_name, the section). */
mk_code acl_parse(acl_names_t *names, const char *text, acl_t **ret_acl, const char **ret_why) MK_CHECKED;
mk_code acl_load(acl_names_t *names, const char *path, acl_t **ret_acl, const char **ret_why) MK_CHECKED;
void acl_destroy(acl_t **self_p);

/* The entry of a public key (40 characters of Z85), NULL if nobody's. */
const acl_entry *acl_find(const acl_t *self, const char *key);

const principal_t *acl_principal(const acl_entry *entry);
bool acl_may_call(const acl_entry *entry, bus_slice service, bus_slice method);
bool acl_may_serve(const acl_entry *entry, bus_slice service);

/* Every name in a serve line: these alone are services. */
void acl_each_service(const acl_t *self, void (*fn)(const char *service, void *arg), void *arg);

#endif
