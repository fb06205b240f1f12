/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs. One file a group: verb_keys.c, verb_operator.c, verb_terminal.c, verb_ca.c, verb_bus.c. */
#ifndef MYKEY_MYKEYCTL_VERBS_H
#define MYKEY_MYKEYCTL_VERBS_H

#include <stdio.h>

#include "tools/mykeyctl/ctl.h"

typedef struct verb {
    const char *group, *name; /* "terminal" "invite" */
    const char *arguments;    /* for people */
    size_t min, max;          /* words after group and name */
    const char *options;      /* besides those that every verb takes; names with blanks between */
    bool bus;                 /* connected before it runs */
    ctl_verb_fn *run;
    const char *help;
} verb_t;

/* NULL: no such verb. */
const verb_t *verbs_find(const char *group, const char *name);
void verbs_print_help(FILE *out);
void verbs_print_usage(const verb_t *self, FILE *out);

ctl_verb_fn keys_bus;
ctl_verb_fn keys_ring;
ctl_verb_fn operator_add;
ctl_verb_fn operator_list;
ctl_verb_fn operator_show;
ctl_verb_fn terminal_invite;
ctl_verb_fn terminal_list;
ctl_verb_fn terminal_revoke;
ctl_verb_fn ca_init;
ctl_verb_fn ca_server;
ctl_verb_fn ca_client;
ctl_verb_fn ca_sign_pending;
ctl_verb_fn bus_info;
ctl_verb_fn bus_stats;

#endif
