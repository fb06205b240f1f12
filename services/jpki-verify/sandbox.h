/* SPDX-License-Identifier: Apache-2.0 */
/* What a process may do once it reads strangers' bytes: use the descriptors that it has, memory, the clock, and end. */
#ifndef MYKEY_JPKI_SANDBOX_H
#define MYKEY_JPKI_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Before anything else in the process: no core dump, no ptrace, no new privileges, ends with its parent, writes no file
 * beyond file_max octets. */
bool sandbox_prepare(uint64_t file_max);

/* From here on any other system call kills the process (SIGSYS). False: the filter could not be set. */
bool sandbox_enter(void);

#endif
