/* SPDX-License-Identifier: Apache-2.0 */
/* The log of deleted holders, outside the database: a line "YYYY-MM-DD HEX32" each, the holder's random id. It is
 * written before the rows are removed, and replayed whenever the database comes up, so that no crash and no back-up
 * brings a person back. Lines older than the oldest back-up may be cut off. */
#ifndef MYKEY_REGISTRY_DELETION_LOG_H
#define MYKEY_REGISTRY_DELETION_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

typedef struct deletion_log deletion_log_t;

/* Can be opened for appending, made with mode 0600 if missing. UNAVAILABLE. */
mk_code deletion_log_open(const char *path, deletion_log_t **ret_log) MK_CHECKED;
void deletion_log_close(deletion_log_t **self_p);
const char *deletion_log_path(const deletion_log_t *self);

/* On the disk when it returns. UNAVAILABLE: nothing may be relied on. */
mk_code deletion_log_append(deletion_log_t *self, const uint8_t holder[16]) MK_CHECKED;

/* Reading from the start. */
typedef struct deletion_reader deletion_reader_t;
mk_code deletion_reader_open(const deletion_log_t *log, deletion_reader_t **ret_reader) MK_CHECKED;
void deletion_reader_close(deletion_reader_t **self_p);

/* The next holder; false at the end. Lines that are not of the form are passed over and counted. */
bool deletion_reader_next(deletion_reader_t *self, uint8_t ret_holder[16]);
size_t deletion_reader_malformed(const deletion_reader_t *self);

#endif
