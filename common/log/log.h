/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON object a line on stderr: ts, level, svc, inst, event, then fields of the allow-list (fields.tbl.h).
 * Only programs log; libraries under common/ return what happened. */
#ifndef MYKEY_LOG_LOG_H
#define MYKEY_LOG_LOG_H

#include <stdint.h>

#include "common/log/fields.tbl.h"

/* Not LOG_…: <syslog.h> has those. */
typedef enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR } log_level;

#define LOG_ROW_ENUM(id, name, kind, help) LOG_F_##id,
typedef enum log_field_id { LOG_F_END, LOG_FIELD_TABLE(LOG_ROW_ENUM) LOG_F_COUNT_ } log_field_id;
#undef LOG_ROW_ENUM

typedef struct log_field {
    log_field_id id;
    const char *text; /* for TEXT; NULL is left out */
    int64_t number;   /* for NUMBER */
} log_field;

#define LOG_TEXT(id, value)    \
    {                          \
        LOG_F_##id, (value), 0 \
    }
#define LOG_NUMBER(id, value)              \
    {                                      \
        LOG_F_##id, NULL, (int64_t)(value) \
    }

/* Names the program and this instance; lines below `level` are dropped. */
void log_open(const char *service, const char *instance, log_level level);
void log_set_level(log_level level);

/* Lines written and lines dropped by the limit, since the start (metrics). */
uint64_t log_lines_total(void);
uint64_t log_dropped_total(void);

/* Writes one line with write(2) at once. `event` is a constant snake_case word. Control characters and bad UTF-8 in
 * values are escaped, values are cut at 256 bytes. At most 200 lines a second per level below ERROR; what is dropped
 * is counted and told in one line "log_dropped". */
void log_write(log_level level, const char *event, const log_field *fields);

#define log_debug(event, ...) \
    log_write(LEVEL_DEBUG, (event), (const log_field[]){__VA_ARGS__ __VA_OPT__(, ){LOG_F_END, NULL, 0}})
#define log_info(event, ...) \
    log_write(LEVEL_INFO, (event), (const log_field[]){__VA_ARGS__ __VA_OPT__(, ){LOG_F_END, NULL, 0}})
#define log_warn(event, ...) \
    log_write(LEVEL_WARN, (event), (const log_field[]){__VA_ARGS__ __VA_OPT__(, ){LOG_F_END, NULL, 0}})
#define log_error(event, ...) \
    log_write(LEVEL_ERROR, (event), (const log_field[]){__VA_ARGS__ __VA_OPT__(, ){LOG_F_END, NULL, 0}})

#endif
