/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of comma-separated values, written again they are read the same; as the invites that are wanted; and the command
 * line of mykeyctl, a word a line.
 * Parsers: tools/mykeyctl/csv.c tools/mykeyctl/args.c tools/mykeyctl/verb_terminal.c */
#include "tests/fuzz/csv.h"

#include "tests/fuzz/fuzz.h"
#include "tools/mykeyctl/args.h"
#include "tools/mykeyctl/csv.h"

enum { ARGC_MAX = 100 };

/* An apostrophe may have come in front of what looks like a formula. */
void csv_check_field(const char *field, const char *again)
{
    HOLDS(strcmp(field, again) == 0 || (again[0] == '\'' && strcmp(field, again + 1) == 0));
}

static bool fits_quoted(const csv_row *row)
{
    for (size_t i = 0; i < row->count; i++)
        if (strlen(row->fields[i]) >= CSV_FIELD_MAX - 2) return false;
    return true;
}

static void check_row(const csv_row *row)
{
    char *text = NULL;
    size_t size = 0;
    csv_row again;
    HOLDS(row->count >= 1 && row->count <= CSV_FIELDS_MAX && row->line >= 1);
    for (size_t i = 0; i < row->count; i++) HOLDS(strlen(row->fields[i]) < CSV_FIELD_MAX);
    if (!fits_quoted(row)) return;
    FILE *out = open_memstream(&text, &size);
    HOLDS(out != NULL);
    for (size_t i = 0; i < row->count; i++) {
        if (i > 0) fputc(',', out);
        csv_print(row->fields[i], out);
    }
    fclose(out);
    csv_t csv = {text, 0};
    HOLDS(csv_next(&csv, &again) == MK_OK && again.count == row->count && *csv.at == '\0');
    for (size_t i = 0; i < row->count; i++) csv_check_field(row->fields[i], again.fields[i]);
    free(text);
}

static void check_arguments(char *text)
{
    static char program[] = "mykeyctl";
    char *argv[ARGC_MAX + 1] = {program}, *rest = text;
    const char *wrong = NULL;
    args_t args;
    int argc = 1;
    while (argc < ARGC_MAX && *rest != '\0') argv[argc++] = fuzz_cut(&rest, '\n');
    if (!args_read(argc, argv, &args, &wrong)) {
        HOLDS(wrong != NULL);
        return;
    }
    HOLDS(args.word_count <= ARGS_WORDS_MAX && args.set_count <= ARGS_SETS_MAX);
    HOLDS(args.word_count + args.set_count < (size_t)argc);
    for (size_t i = 0; i < args.word_count; i++) HOLDS(strncmp(args.words[i], "--", 2) != 0);
    HOLDS(args_unexpected(&args, "authority label csv out watch") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    csv_row row;
    char *text = fuzz_text(data, size);
    csv_t csv = {text, 0};
    while (csv_next(&csv, &row) == MK_OK) {
        HOLDS(csv.at <= text + strlen(text));
        check_row(&row);
    }
    csv_want_invites(data, size);
    check_arguments(text);
    free(text);
    return 0;
}
