/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mykeyctl/args.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum kind { FLAG, VALUE, LIST } kind;

static const struct option_row {
    const char *name;
    kind kind;
    size_t field; /* offset in args; unused for LIST */
    bool everywhere;
} option_rows[] = {
    {"config", VALUE, offsetof(args_t, config), true},  {"set", LIST, 0, true},
    {"json", FLAG, offsetof(args_t, json), true},       {"help", FLAG, offsetof(args_t, help), true},
    {"version", FLAG, offsetof(args_t, version), true}, {"authority", VALUE, offsetof(args_t, authority), false},
    {"label", VALUE, offsetof(args_t, label), false},   {"csv", VALUE, offsetof(args_t, csv), false},
    {"out", VALUE, offsetof(args_t, out), false},       {"watch", FLAG, offsetof(args_t, watch), false},
};
enum { OPTION_COUNT = sizeof option_rows / sizeof option_rows[0] };

static const struct option_row *find_option(const char *word)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(word + 2, option_rows[i].name) == 0) return &option_rows[i];
    }
    return NULL;
}

static const char **text_field(const args_t *self, const struct option_row *row)
{
    return (const char **)((char *)(uintptr_t)self + row->field);
}

static bool *flag_field(const args_t *self, const struct option_row *row)
{
    return (bool *)((char *)(uintptr_t)self + row->field);
}

static bool take_value(args_t *self, const struct option_row *row, const char *value)
{
    if (value == NULL) return false;
    if (row->kind == VALUE) {
        *text_field(self, row) = value;
        return true;
    }
    if (self->set_count == ARGS_SETS_MAX) return false;
    self->sets[self->set_count++] = value;
    return true;
}

static bool take_word(args_t *self, const char *word)
{
    if (self->word_count == ARGS_WORDS_MAX) return false;
    self->words[self->word_count++] = word;
    return true;
}

bool args_read(int argc, char **argv, args_t *ret_args, const char **ret_wrong)
{
    args_t read = {0};
    for (int i = 1; i < argc; i++) {
        bool is_option = strncmp(argv[i], "--", 2) == 0;
        const struct option_row *row = is_option ? find_option(argv[i]) : NULL;
        *ret_wrong = argv[i];
        if (!is_option && !take_word(&read, argv[i])) return false;
        if (is_option && row == NULL) return false;
        if (is_option && row->kind == FLAG) *flag_field(&read, row) = true;
        if (is_option && row->kind != FLAG && !take_value(&read, row, argv[++i])) return false;
    }
    *ret_args = read;
    return true;
}

static bool is_listed(const char *list, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = strstr(list, name); at != NULL; at = strstr(at + 1, name)) {
        bool begins = at == list || at[-1] == ' ', ends = at[size] == 0 || at[size] == ' ';
        if (begins && ends) return true;
    }
    return false;
}

const char *args_unexpected(const args_t *self, const char *allowed)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->everywhere || is_listed(allowed, row->name)) continue;
        bool given = row->kind == FLAG ? *flag_field(self, row) : *text_field(self, row) != NULL;
        if (given) return row->name;
    }
    return NULL;
}
