/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#ifndef MYKEY_LOAD_OPTIONS_H
#define MYKEY_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/load/client.h"
#include "tools/load/schedule.h"

typedef struct options {
    const char *terminals, *cards, *operator_id;
    client_spec client;
    schedule_spec schedule;
    unsigned connections;
    double remake; /* percent of the connections, each second */
    bool wait;
} options_t;

/* False when nothing is to be run: *ret_status is then 0 (--help) or 2 (said on stderr what is wrong). */
bool options_read(int argc, char **argv, options_t *ret_options, int *ret_status);

#endif
