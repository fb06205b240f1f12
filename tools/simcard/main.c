/* SPDX-License-Identifier: Apache-2.0 */
/* mykey-simcard: simulated My Number Cards for vsmartcard's virtual reader, and the command that moves them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/simcard/client.h"
#include "tools/simcard/control.h"
#include "tools/simcard/server.h"

enum { VPCD_PORT = 35963 };

static void print_usage(FILE *out)
{
    fprintf(out, "mykey-simcard " MYKEY_VERSION ": simulated My Number Cards\n\n"
                 "  mykey-simcard --cards DIR --control SOCKET [--insert CARD] [--port PORT]   hold the cards\n"
                 "  mykey-simcard --control SOCKET VERB [ARGUMENTS]                            move them\n\n"
                 "Verbs:\n");
    control_print_help(out);
}

static int run(const server_options *options, int count, char **words)
{
    if (options->control != NULL && options->cards_dir != NULL && count == 0) return server_run(options);
    if (options->control != NULL && options->cards_dir == NULL && count > 0) {
        return client_run(options->control, count, words);
    }
    print_usage(stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option rows[] = {{"cards", required_argument, NULL, 'd'},
                                         {"control", required_argument, NULL, 'c'},
                                         {"insert", required_argument, NULL, 'i'},
                                         {"port", required_argument, NULL, 'p'},
                                         {"version", no_argument, NULL, 'v'},
                                         {"help", no_argument, NULL, 'h'},
                                         {NULL, 0, NULL, 0}};
    server_options options = {.port = VPCD_PORT};
    for (int option; (option = getopt_long(argc, argv, "+", rows, NULL)) != -1;) {
        switch (option) {
        case 'd': options.cards_dir = optarg; break;
        case 'c': options.control = optarg; break;
        case 'i': options.insert = optarg; break;
        case 'p': options.port = (uint16_t)strtoul(optarg, NULL, 10); break;
        case 'v': puts("mykey-simcard " MYKEY_VERSION); return 0;
        case 'h': print_usage(stdout); return 0;
        default: print_usage(stderr); return 2;
        }
    }
    return run(&options, argc - optind, argv + optind);
}
