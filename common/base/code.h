/* SPDX-License-Identifier: Apache-2.0 */
/* Result codes: one enum for functions, bus replies and HTTP answers, from proto/errors.tbl.h. */
#ifndef MYKEY_BASE_CODE_H
#define MYKEY_BASE_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/errors.tbl.h"

#define MK_ROW_ENUM(name, number, retryable, http, en, ja) MK_##name = (number),
typedef enum mk_code { MK_ERROR_TABLE(MK_ROW_ENUM) MK_CODE_MAX = 255 } mk_code;
#undef MK_ROW_ENUM

/* A result that the compiler makes the caller read. */
#define MK_CHECKED __attribute__((warn_unused_result))

typedef struct mk_code_info {
    mk_code code;
    const char *name; /* "CERT_REVOKED" */
    bool retryable;   /* the same request may be sent again as it is */
    int http_status;
    const char *text_en; /* UTF-8, static */
    const char *text_ja;
} mk_code_info;

/* The row of a code. Never NULL: a number that is not in the table answers the row of INTERNAL. */
const mk_code_info *mk_code_find(uint32_t code);

/* Shorthand for mk_code_find(code)->name. */
const char *mk_code_name(uint32_t code);

/* All rows in the table's order; *ret_count is their number. */
const mk_code_info *mk_code_table(unsigned *ret_count);

/* Guard and leave: the only two control macros of the project. */
#define MK_TRY(expr)                              \
    do {                                          \
        mk_code try_code_ = (expr);               \
        if (try_code_ != MK_OK) return try_code_; \
    } while (0)
#define MK_ENSURE(cond, code)       \
    do {                            \
        if (!(cond)) return (code); \
    } while (0)

#endif
