/* SPDX-License-Identifier: Apache-2.0 */
/* What a parser may do once it reads strangers' bytes: use the descriptors that it has, memory, the clock, and end. */
#ifndef MYKEY_JPKI_SANDBOX_H
#define MYKEY_JPKI_SANDBOX_H

#include <stdbool.h>

/* Before anything else in the process: no core dump, no ptrace, no new privileges, ends with its parent. */
bool sandbox_prepare(void);

/* From here on any other system call kills the process (SIGSYS). False: the filter could not be set. */
bool sandbox_enter(void);

#endif
