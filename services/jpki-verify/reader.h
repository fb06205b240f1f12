/* SPDX-License-Identifier: Apache-2.0 */
/* One revocation list is read by a process of its own, forked and sandboxed: it has the list, the file to write, the
 * pinned roots and a pipe for what it has to say, and nothing else. */
#ifndef MYKEY_JPKI_READER_H
#define MYKEY_JPKI_READER_H

#include <sys/types.h>

#include "services/jpki-verify/anchors.h"
#include "services/jpki-verify/list.h"

typedef struct reader {
    pid_t pid; /* 0: none */
    int fd;    /* becomes readable when it has ended; -1: none */
} reader_t;

/* list_fd: a file that nobody else can write. part_fd: empty, for reading and writing. Both stay the caller's. false:
 * no process could be started. */
bool reader_start(reader_t *self, const anchors_t *anchors, int list_fd, int part_fd);

/* Once fd is readable: what became of it. LIST_TAKEN: part_fd holds the part, which the caller judges as a stranger's.
 * *ret_status: how it ended if that was its fault (LIST_FAULT_READER), as waitpid tells. */
list_fault reader_end(reader_t *self, int *ret_status);

/* Ends it, now. */
void reader_kill(reader_t *self);

#endif
