/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of comma-separated values (RFC 4180). */
#ifndef MYKEY_MYKEYCTL_CSV_H
#define MYKEY_MYKEYCTL_CSV_H

#include <stdbool.h>
#include <stdio.h>

#include "common/base/code.h"

enum { CSV_FIELDS_MAX = 8, CSV_FIELD_MAX = 256 };

typedef struct csv_row {
    char fields[CSV_FIELDS_MAX][CSV_FIELD_MAX];
    size_t count;
    unsigned line; /* on which it began, from 1 */
} csv_row;

typedef struct csv {
    const char *at; /* NUL-terminated text */
    unsigned line;
} csv_t;

/* Takes the next row that is not empty. NOT_FOUND: none left; BAD_REQUEST: quotes that don't close or stand wrongly,
 * too many fields, a field too long; row->line is set then too. */
mk_code csv_next(csv_t *self, csv_row *row) MK_CHECKED;

/* Writes one field, quoted. Where a spreadsheet would take it for a formula it gets an apostrophe in front. */
void csv_print(const char *field, FILE *out);

#endif
