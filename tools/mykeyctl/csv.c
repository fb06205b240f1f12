/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mykeyctl/csv.h"

#include <string.h>

static bool ends_row(char c)
{
    return c == 0 || c == '\n' || c == '\r';
}

static mk_code append(char *field, size_t *size, char c)
{
    MK_ENSURE(*size < CSV_FIELD_MAX - 1, MK_BAD_REQUEST);
    field[(*size)++] = c;
    field[*size] = 0;
    return MK_OK;
}

/* From behind the opening quote to behind the closing one. */
static mk_code take_quoted(csv_t *self, char *field)
{
    size_t size = 0;
    for (;; self->at++) {
        MK_ENSURE(*self->at != 0, MK_BAD_REQUEST);
        if (*self->at == '"' && self->at[1] != '"') break;
        if (*self->at == '"') self->at++;
        if (*self->at == '\n') self->line++;
        MK_TRY(append(field, &size, *self->at));
    }
    self->at++;
    return *self->at == ',' || ends_row(*self->at) ? MK_OK : MK_BAD_REQUEST;
}

static mk_code take_plain(csv_t *self, char *field)
{
    size_t size = 0;
    for (; *self->at != ',' && !ends_row(*self->at); self->at++) {
        MK_ENSURE(*self->at != '"', MK_BAD_REQUEST);
        MK_TRY(append(field, &size, *self->at));
    }
    return MK_OK;
}

static mk_code take_field(csv_t *self, char *field)
{
    field[0] = 0;
    if (*self->at != '"') return take_plain(self, field);
    self->at++;
    return take_quoted(self, field);
}

static void skip_line_ends(csv_t *self)
{
    for (; *self->at == '\n' || *self->at == '\r'; self->at++) {
        if (*self->at == '\n') self->line++;
    }
}

mk_code csv_next(csv_t *self, csv_row *row)
{
    skip_line_ends(self);
    row->count = 0;
    row->line = self->line + 1;
    MK_ENSURE(*self->at != 0, MK_NOT_FOUND);
    for (;;) {
        MK_ENSURE(row->count < CSV_FIELDS_MAX, MK_BAD_REQUEST);
        MK_TRY(take_field(self, row->fields[row->count++]));
        if (*self->at != ',') return MK_OK;
        self->at++;
    }
}

/* ASCII and full-width forms, and what a spreadsheet skips before looking. */
static bool looks_like_formula(const char *field)
{
    static const char *const starts[] = {"=", "+", "-", "@", "\t", "\r", "\n", " ", "|", "＝", "＋", "－", "＠", "　"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (strncmp(field, starts[i], strlen(starts[i])) == 0) return true;
    }
    return false;
}

void csv_print(const char *field, FILE *out)
{
    fputc('"', out);
    if (looks_like_formula(field)) fputc('\'', out);
    for (; *field != 0; field++) {
        if (*field == '"') fputc('"', out);
        fputc(*field, out);
    }
    fputc('"', out);
}
