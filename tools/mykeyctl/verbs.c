/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mykeyctl/verbs.h"

#include <string.h>

static const verb_t verbs[] = {
    {"keys", "bus", "NAME.key NAME.pub", 2, 2, "", false, keys_bus, "make a key pair of a principal on the bus"},
    {"keys", "ring", "FILE", 1, 1, "", false, keys_ring,
     "make a file of secret keys with one key (credentials, tickets)"},
    {"operator", "add", "FILE.zpl|NAME=VALUE...", 1, 60, "", true, operator_add,
     "add an operator, or replace what is known of it"},
    {"operator", "list", "", 0, 0, "", true, operator_list, "all operators"},
    {"operator", "show", "OPERATOR", 1, 1, "", true, operator_show, "one operator with its settings"},
    {"terminal", "invite", "[OPERATOR] [--label TEXT] [--csv FILE] [--out FILE] --authority FILE", 0, 1,
     "label csv out authority", true, terminal_invite,
     "one-time invite codes, good for 24 hours: one, or one a row (operator,label) of a CSV file"},
    {"terminal", "list", "[OPERATOR]", 0, 1, "", true, terminal_list, "terminals, of all operators or of one"},
    {"terminal", "revoke", "TERMINAL", 1, 1, "", true, terminal_revoke, "refuse this terminal from now on"},
    {"ca", "init", "DIR [NAME]", 1, 2, "", false, ca_init,
     "make an authority, for terminals unless NAME says for what: key and certificate, 10 years"},
    {"ca", "server", "DIR HOST...", 2, 33, "", false, ca_server,
     "issue the server certificate of an edge (development) or, by the inner authority, of a gateway, 30 days"},
    {"ca", "client", "DIR NAME", 2, 2, "", false, ca_client,
     "issue the client certificate by which an edge shows gateways on other hosts that it is one, 30 days"},
    {"ca", "sign-pending", "DIR [--watch]", 1, 1, "watch", true, ca_sign_pending,
     "sign the requests of terminals that wait, once or until stopped"},
    {"bus", "info", "", 0, 0, "", true, bus_info, "each broker: instance, version, how long it is up"},
    {"bus", "stats", "", 0, 0, "", true, bus_stats, "workers, queues and requests of each service, a line a broker"},
};
enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

const verb_t *verbs_find(const char *group, const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(group, verbs[i].group) == 0 && strcmp(name, verbs[i].name) == 0) return &verbs[i];
    }
    return NULL;
}

void verbs_print_usage(const verb_t *self, FILE *out)
{
    fprintf(out, "mykeyctl %s %s%s%s\n        %s\n", self->group, self->name, self->arguments[0] ? " " : "",
            self->arguments, self->help);
}

void verbs_print_help(FILE *out)
{
    fputs("mykeyctl " MYKEY_VERSION ": the platform operator's command\n\n", out);
    for (size_t i = 0; i < VERB_COUNT; i++) verbs_print_usage(&verbs[i], out);
    fputs("\nWith every verb: --config FILE and --set NAME=VALUE (settings bus.*), --json, --help, --version.\n"
          "Exit status: 0 done, 1 not done, 2 the command or a setting is wrong.\n",
          out);
}
