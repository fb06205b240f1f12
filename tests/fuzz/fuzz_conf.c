/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the input is a file, then, each behind a byte 1E, assignments: NAME=VALUE as --set, MYKEY_NAME=VALUE as
 * environment. What is taken lies within its row, what is refused changes nothing, and a reload takes the same.
 * Parsers: common/conf/conf.c common/base/text.c */
#include "tests/fuzz/fuzz.h"

#include "common/base/text.h"
#include "common/conf/conf.h"

enum { PARTS_MAX = 8 };

extern char **environ;

static struct values {
    char *name, *word, *path, *needed;
    int64_t number, wide;
    bool flag;
} values;

static bool is_path(const char *text)
{
    return text[0] == '/';
}

static const conf_row rows[] = {
    {"bus.broker_a", CONF_TEXT, &values.name, "ipc://a", 1, 32, true, "help"},
    {"bus.word", CONF_TEXT, &values.word, "info", 0, 5, true, "help", "debug info warn error"},
    CONF_ROW_FORM("a.path", values.path, "/", is_path, "a path", "help"),
    CONF_ROW_TEXT("needed", values.needed, NULL, "help"),
    CONF_ROW_NUMBER("a.number", values.number, "5", -3, 70, "help"),
    CONF_ROW_NUMBER("a.wide", values.wide, "0", INT64_MIN, INT64_MAX, "help"),
    CONF_ROW_FLAG("flag", values.flag, "true", "help"),
};

static void check_values(void)
{
    static const char words[] = "debug info warn error";
    size_t size = strlen(values.name);
    HOLDS(size >= 1 && size <= 32 && text_is_utf8(values.name, size) && strpbrk(values.name, "\n\r\t\x7f") == NULL);
    HOLDS(strlen(values.word) >= 4 && strstr(words, values.word) != NULL && is_path(values.path));
    HOLDS(values.needed != NULL && strlen(values.needed) <= 1024);
    HOLDS(values.number >= -3 && values.number <= 70);
}

typedef struct arguments {
    char *argv[4 + 2 * PARTS_MAX], *env[PARTS_MAX + 1];
    int argc, envc;
} arguments;

static void take_part(arguments *self, char *part)
{
    static char set[] = "--set";
    if (strncmp(part, "MYKEY_", 6) == 0) {
        self->env[self->envc++] = part;
        return;
    }
    self->argv[self->argc++] = set;
    self->argv[self->argc++] = part;
}

static void load(arguments *self)
{
    conf_t *conf = conf_new("fuzz");
    conf_add(conf, rows, sizeof rows / sizeof rows[0]);
    char **before = environ;
    environ = self->env;
    conf_verb verb = conf_load(conf, self->argc, self->argv, fuzz_null(), fuzz_null());
    HOLDS(verb != CONF_DONE);
    if (verb == CONF_RUN) {
        struct values taken = values;
        check_values();
        HOLDS(conf_reload(conf, fuzz_null()) == MK_OK);
        HOLDS(memcmp(&taken, &values, sizeof taken) == 0);
    } else {
        HOLDS(values.name == NULL && values.needed == NULL && values.number == 0);
    }
    environ = before;
    conf_destroy(&conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char program[] = "fuzz", config[] = "--config";
    arguments with = {.argv = {program, config}, .argc = 3};
    const uint8_t *end = size > 0 ? memchr(data, 0x1e, size) : NULL;
    size_t file_size = end == NULL ? size : (size_t)(end - data);
    char *path = strdup(fuzz_file(data, file_size)), *text = fuzz_text(data + file_size, size - file_size);
    char *rest = text;
    memset(&values, 0, sizeof values);
    with.argv[2] = path;
    (void)fuzz_cut(&rest, 0x1e);
    for (int i = 0; i < PARTS_MAX && *rest != '\0'; i++) take_part(&with, fuzz_cut(&rest, 0x1e));
    load(&with);
    free(text);
    free(path);
    return 0;
}
