/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of the simulated reader's cards: two slots, the control socket, signals. */
#ifndef MYKEY_SIMCARD_SERVER_H
#define MYKEY_SIMCARD_SERVER_H

#include <stdint.h>

typedef struct server_options {
    const char *cards_dir;
    const char *control; /* path of the control socket, mode 0600 */
    const char *insert;  /* the card that lies there at first, NULL = none */
    uint16_t port;       /* of vpcd's first slot; the second follows */
} server_options;

/* Runs until SIGTERM or SIGINT. The exit status; errors are written to stderr. */
int server_run(const server_options *options);

#endif
