/* SPDX-License-Identifier: Apache-2.0 */
/* For people at a shell: one verb to the control socket of a running mykey-simcard. */
#ifndef MYKEY_SIMCARD_CLIENT_H
#define MYKEY_SIMCARD_CLIENT_H

/* Sends the words as one line and prints the answer. 0: ok, 1: error or no simulated card running there. */
int client_run(const char *control, int count, char **words);

#endif
