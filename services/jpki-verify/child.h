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
    crl_files_t lists; /* names of what it was given; descriptors are closed */
} child_t;

/* Opens the program once, so that every parser is of this process's version. -1: it can't be opened. */
int child_open_program(const char *path);

/* Starts the program (an open descriptor of its file) with no environment and no descriptor but its socket, and sends
 * it roots and the lists of crl_folder. false: it could not be started. */
bool child_start(child_t *self, int program_fd, const anchors_t *anchors, const char *crl_folder);

/* Ends it, now. The wait status, 0 if there was none. */
int child_stop(child_t *self);

bool child_is_running(const child_t *self);

/* Sends one VERIFY. false: not now, or it is gone (the reader will notice). */
bool child_send(child_t *self, const wire_request *request);

/* Has this root (a number below ready.root_count) a list that has not ended? */
bool child_has_fresh_list(const child_t *self, uint32_t root, int64_t now_s);

/* Is its trust data at least as good as the other's: the same roots, a list for each that has a fresh one there, none
 * older? A list that has ended is worth nothing: losing that of one root must not keep the others from being renewed.
 */
bool child_is_as_good(const child_t *self, const child_t *other, int64_t now_s);

#endif
