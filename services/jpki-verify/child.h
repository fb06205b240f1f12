/* SPDX-License-Identifier: Apache-2.0 */
/* One parser process, as the bus process sees it. */
#ifndef MYKEY_JPKI_CHILD_H
#define MYKEY_JPKI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "services/jpki-verify/anchors.h"
#include "services/jpki-verify/wire.h"

typedef struct child {
    pid_t pid;
    int fd; /* our end of the socket pair; -1 = none */
    bool is_ready;
    uint64_t started_ms; /* clock_mono_ms */
    wire_ready ready;
    anchors_t *anchors; /* what it was given, its own copy */
} child_t;

/* Opens the program once, so that every parser is of this process's version. -1: it can't be opened. */
int child_open_program(const char *path);

/* Starts the program (an open descriptor of its file) with no environment and no descriptor but its socket, and sends
 * it roots and the index, if there is one. false: it could not be started. */
bool child_start(child_t *self, int program_fd, const anchors_t *anchors, const char *index_path);

/* Ends it, now. The wait status, 0 if there was none. */
int child_stop(child_t *self);

bool child_is_running(const child_t *self);

/* Sends one VERIFY. false: not now, or it is gone (the reader will notice). */
bool child_send(child_t *self, const wire_request *request);

/* Has it a root with a part of the index that has not ended? */
bool child_is_fresh(const child_t *self, int64_t now_s);

#endif
