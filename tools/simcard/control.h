/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the control socket. A request is a line of words; the answer is a line "ok …" or "error …". The verbs
 * that list something (help, cards, faults, log) answer "ok N" and N lines. */
#ifndef MYKEY_SIMCARD_CONTROL_H
#define MYKEY_SIMCARD_CONTROL_H

#include <stdio.h>

#include "tools/simcard/reader.h"

enum { CONTROL_SLOTS = 2 };

typedef struct control {
    const char *cards_dir;
    fault_t *fault;
    journal_t *journal;
    reader_t *readers[CONTROL_SLOTS];
} control;

/* Obeys one line (changed in passing) and writes the answer to out. */
void control_obey(control *self, char *line, FILE *out);

/* Verbs for people. */
void control_print_help(FILE *out);

#endif
