/* SPDX-License-Identifier: Apache-2.0 */
/* Every setting is gathered as text from all its sources, all of them are checked, and only then any variable is
 * written. zconfig takes names twice; we don't. */
#include "common/conf/conf.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/conf/zpl.h"

enum { ROWS_MAX = 256, SETS_MAX = 64, FILE_MAX = 64 * 1024, NAME_MAX_SIZE = 64 };

static const char env_prefix[] = "MYKEY_";

typedef enum origin { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_COMMAND_LINE } origin;
static const char *const origin_names[] = {"default", "file", "environment", "command line"};

typedef struct slot {
    const conf_row *row;
    char env[NAME_MAX_SIZE + sizeof env_prefix];
    char *text; /* in force; a CONF_TEXT variable points here */
    origin from;
    char *next; /* gathered, not yet in force */
    origin next_from;
} slot;

struct conf {
    const char *program;
    slot slots[ROWS_MAX];
    size_t count;
    char *file;
    char *sets[SETS_MAX]; /* "NAME=VALUE" of the command line, kept for a reload */
    size_t set_count;
    FILE *err;
    unsigned complaints;
};

/* ---- the set of rows ---- */

conf_t *conf_new(const char *program)
{
    conf_t *self = calloc(1, sizeof *self);
    assert(self != NULL);
    self->program = program;
    return self;
}

static void forget_next(conf_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->slots[i].next);
        self->slots[i].next = NULL;
    }
}

static void forget_arguments(conf_t *self)
{
    free(self->file);
    self->file = NULL;
    for (size_t i = 0; i < self->set_count; i++) free(self->sets[i]);
    self->set_count = 0;
}

void conf_destroy(conf_t **self_p)
{
    conf_t *self = *self_p;
    if (self == NULL) return;
    forget_next(self);
    forget_arguments(self);
    for (size_t i = 0; i < self->count; i++) {
        slot *s = &self->slots[i];
        if (s->text != NULL && s->row->type == CONF_TEXT) *(char **)s->row->value = NULL;
        free(s->text);
    }
    free(self);
    *self_p = NULL;
}

static slot *find_slot(conf_t *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->slots[i].row->name, name) == 0) return &self->slots[i];
    }
    return NULL;
}

static slot *find_env(conf_t *self, const char *env)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->slots[i].env, env) == 0) return &self->slots[i];
    }
    return NULL;
}

/* "bus.broker_a" → MYKEY_BUS_BROKER_A */
static void make_env(const char *name, char *out)
{
    size_t used = sizeof env_prefix - 1;
    memcpy(out, env_prefix, used);
    for (; *name != '\0'; name++) {
        out[used++] = (char)(*name == '.' ? '_' : *name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
    }
    out[used] = '\0';
}

void conf_add(conf_t *self, const conf_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert(self->count < ROWS_MAX && text_is_made_of(rows[i].name, TEXT_LOWER TEXT_DIGITS "._", 1, NAME_MAX_SIZE));
        slot *s = &self->slots[self->count];
        make_env(rows[i].name, s->env);
        assert(find_env(self, s->env) == NULL);
        s->row = &rows[i];
        self->count++;
    }
}

/* ---- complaints ---- */

static void complain(conf_t *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(conf_t *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(self->err, "%s: ", self->program);
    vfprintf(self->err, format, args);
    fputc('\n', self->err);
    va_end(args);
    self->complaints++;
}

static void print_allowed(const conf_row *row, FILE *out)
{
    if (row->type == CONF_FLAG) {
        fputs("true, false", out);
    } else if (row->type == CONF_NUMBER) {
        fprintf(out, "a number %lld to %lld", (long long)row->min, (long long)row->max);
    } else if (row->choices != NULL) {
        for (const char *p = row->choices; *p != '\0'; p++) fputs(*p == ' ' ? ", " : (char[]){*p, 0}, out);
    } else if (row->is_right != NULL) {
        fputs(row->form, out);
    } else {
        fprintf(out, "text of %lld to %lld bytes", (long long)row->min, (long long)row->max);
    }
}

static void print_origin(const conf_t *self, const slot *s, origin from, FILE *out)
{
    fputs(origin_names[from], out);
    if (from == FROM_FILE) fprintf(out, " %s", self->file);
    if (from == FROM_ENVIRONMENT) fprintf(out, " %s", s->env);
}

/* ---- values ---- */

static bool parse_number(const char *text, int64_t *ret_number)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (!text_is_made_of(digits, TEXT_DIGITS, 1, 19)) return false;
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno != 0) return false;
    *ret_number = number;
    return true;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t size = strlen(text);
    for (const char *p = choices; *p != '\0';) {
        size_t word = strcspn(p, " ");
        if (word == size && strncmp(p, text, size) == 0) return true;
        p += word + strspn(p + word, " ");
    }
    return false;
}

static bool is_clean_text(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) return false;
    }
    return text_is_utf8(text, strlen(text));
}

static bool is_allowed(const conf_row *row, const char *text)
{
    int64_t number;
    switch (row->type) {
    case CONF_FLAG: return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    case CONF_NUMBER: return parse_number(text, &number) && number >= row->min && number <= row->max;
    case CONF_TEXT: break;
    }
    if (row->choices != NULL) return is_choice(row->choices, text);
    int64_t size = (int64_t)strlen(text);
    if (size < row->min || size > row->max || !is_clean_text(text)) return false;
    return row->is_right == NULL || row->is_right(text);
}

static void check_slot(conf_t *self, const slot *s)
{
    if (s->next == NULL) {
        complain(self, "setting %s is missing: give it in the file, in %s or with --set", s->row->name, s->env);
        return;
    }
    if (is_allowed(s->row, s->next)) return;
    fprintf(self->err, "%s: setting %s from ", self->program, s->row->name);
    print_origin(self, s, s->next_from, self->err);
    fputs(": value not allowed; allowed: ", self->err);
    print_allowed(s->row, self->err);
    fputc('\n', self->err);
    self->complaints++;
}

static void put_in_force(slot *s)
{
    const conf_row *row = s->row;
    free(s->text);
    s->text = s->next;
    s->from = s->next_from;
    s->next = NULL;
    switch (row->type) {
    case CONF_TEXT: *(char **)row->value = s->text; break;
    case CONF_NUMBER: *(int64_t *)row->value = strtoll(s->text, NULL, 10); break;
    case CONF_FLAG: *(bool *)row->value = strcmp(s->text, "true") == 0; break;
    }
}

static void offer(slot *s, const char *text, origin from)
{
    free(s->next);
    s->next = strdup(text);
    assert(s->next != NULL);
    s->next_from = from;
}

/* ---- sources ---- */

static void gather_defaults(conf_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->slots[i].row->fallback != NULL) offer(&self->slots[i], self->slots[i].row->fallback, FROM_DEFAULT);
    }
}

/* The whole file with a NUL; NULL after a complaint. */
static char *read_file(conf_t *self)
{
    FILE *file = fopen(self->file, "re");
    if (file == NULL) {
        complain(self, "file %s: %s", self->file, strerror(errno));
        return NULL;
    }
    char *text = malloc(FILE_MAX + 2);
    assert(text != NULL);
    size_t size = fread(text, 1, FILE_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    text[size] = '\0';
    if (failed || size > FILE_MAX || !text_is_utf8(text, size)) {
        complain(self, "file %s: not readable as UTF-8 text without NUL of at most %d bytes", self->file, FILE_MAX);
        free(text);
        return NULL;
    }
    return text;
}

static void on_zpl_fault(unsigned line, const char *what, void *arg)
{
    conf_t *self = arg;
    if (line > 0)
        complain(self, "file %s line %u: %s", self->file, line, what);
    else
        complain(self, "file %s: %s", self->file, what);
}

static void take_key(conf_t *self, const char *section, zconfig_t *key)
{
    char name[2 * 1024 + 2];
    snprintf(name, sizeof name, "%s%s%s", section, *section != '\0' ? "." : "", zconfig_name(key));
    slot *s = find_slot(self, name);
    if (s == NULL) {
        complain(self, "file %s: unknown setting %s (see --list-settings)", self->file, name);
    } else if (s->next_from == FROM_FILE && s->next != NULL) {
        complain(self, "file %s: setting %s is given twice", self->file, name);
    } else {
        offer(s, zconfig_value(key), FROM_FILE);
    }
}

static bool is_section(const conf_t *self, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < self->count; i++) {
        const char *row = self->slots[i].row->name;
        if (strncmp(row, name, size) == 0 && row[size] == '.') return true;
    }
    return false;
}

static void take_section(conf_t *self, zconfig_t *section)
{
    zconfig_t *key = zconfig_child(section);
    bool is_plain = *zconfig_value(section) != '\0' || !is_section(self, zconfig_name(section));
    if (is_plain) take_key(self, "", section);
    for (; key != NULL; key = zconfig_next(key)) take_key(self, zconfig_name(section), key);
}

static void gather_file(conf_t *self)
{
    if (self->file == NULL) return;
    char *text = read_file(self);
    if (text == NULL) return;
    zconfig_t *root = zpl_parse(text, 1, on_zpl_fault, self);
    if (root != NULL) {
        for (zconfig_t *p = zconfig_child(root); p != NULL; p = zconfig_next(p)) take_section(self, p);
    }
    zconfig_destroy(&root);
    free(text);
}

/* Variables of the build and the tests that are no settings. */
static bool is_foreign_env(const char *name)
{
    return strcmp(name, "MYKEY_BUILD") == 0 || strcmp(name, "MYKEY_DEMO_SABOTAGE") == 0 ||
           strncmp(name, "MYKEY_TEST_", 11) == 0;
}

static void take_env(conf_t *self, const char *name, const char *value)
{
    slot *s = find_env(self, name);
    if (s != NULL) {
        offer(s, value, FROM_ENVIRONMENT);
    } else if (!is_foreign_env(name)) {
        complain(self, "environment: unknown setting %s (see --list-settings)", name);
    }
}

static void gather_environment(conf_t *self)
{
    for (char **p = environ; *p != NULL; p++) {
        if (strncmp(*p, env_prefix, sizeof env_prefix - 1) != 0) continue;
        char *equals = strchr(*p, '=');
        if (equals == NULL) continue;
        char *name = strndup(*p, (size_t)(equals - *p));
        assert(name != NULL);
        take_env(self, name, equals + 1);
        free(name);
    }
}

static void gather_sets(conf_t *self)
{
    for (size_t i = 0; i < self->set_count; i++) {
        char *equals = strchr(self->sets[i], '=');
        char *name = strndup(self->sets[i], equals == NULL ? strlen(self->sets[i]) : (size_t)(equals - self->sets[i]));
        assert(name != NULL);
        slot *s = find_slot(self, name);
        if (equals == NULL) {
            complain(self, "command line: --set wants NAME=VALUE, not %s", name);
        } else if (s == NULL) {
            complain(self, "command line: unknown setting %s (see --list-settings)", name);
        } else {
            offer(s, equals + 1, FROM_COMMAND_LINE);
        }
        free(name);
    }
}

static bool gather(conf_t *self, FILE *err)
{
    self->err = err;
    self->complaints = 0;
    forget_next(self);
    gather_defaults(self);
    gather_file(self);
    gather_environment(self);
    gather_sets(self);
    for (size_t i = 0; i < self->count; i++) check_slot(self, &self->slots[i]);
    self->err = NULL;
    return self->complaints == 0;
}

/* ---- printing ---- */

static void print_config(const conf_t *self, FILE *out)
{
    for (size_t i = 0; i < self->count; i++) {
        const slot *s = &self->slots[i];
        fprintf(out, "%s = %s  # ", s->row->name, s->text);
        print_origin(self, s, s->from, out);
        fputc('\n', out);
    }
}

static void list_settings(const conf_t *self, FILE *out)
{
    fputs("| setting | default | allowed | reload | meaning |\n|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < self->count; i++) {
        const conf_row *row = self->slots[i].row;
        const char *fallback = row->fallback == NULL    ? "(required)"
                               : *row->fallback == '\0' ? "(empty)"
                                                        : row->fallback;
        fprintf(out, "| `%s` | %s | ", row->name, fallback);
        print_allowed(row, out);
        fprintf(out, " | %s | %s |\n", row->reloadable ? "yes" : "no", row->help);
    }
}

static void print_help(const conf_t *self, FILE *out)
{
    fprintf(out,
            "usage: %s [--config FILE] [--set NAME=VALUE]...\n"
            "  --config FILE      read settings from FILE (ZPL: sections, name = value)\n"
            "  --set NAME=VALUE   one setting; stronger than the environment, which is stronger than the file\n"
            "  --check-config     check all settings and exit\n"
            "  --print-config     print each setting in force with its source and exit\n"
            "  --list-settings    print a table of all settings and exit\n"
            "  --version, --help\n",
            self->program);
}

/* ---- the command line ---- */

typedef enum task { TASK_RUN, TASK_CHECK, TASK_PRINT, TASK_LIST, TASK_VERSION, TASK_HELP, TASK_WRONG } task;

enum { OPTION_CONFIG = 256, OPTION_SET, OPTION_TASK };

static const struct option options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"set", required_argument, NULL, OPTION_SET},
    {"check-config", no_argument, NULL, OPTION_TASK + TASK_CHECK},
    {"print-config", no_argument, NULL, OPTION_TASK + TASK_PRINT},
    {"list-settings", no_argument, NULL, OPTION_TASK + TASK_LIST},
    {"version", no_argument, NULL, OPTION_TASK + TASK_VERSION},
    {"help", no_argument, NULL, OPTION_TASK + TASK_HELP},
    {NULL, 0, NULL, 0},
};

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    assert(copy != NULL);
    return copy;
}

static bool take_option(conf_t *self, int option, task *task_p)
{
    if (option == OPTION_CONFIG) {
        free(self->file);
        self->file = copy_text(optarg);
    } else if (option == OPTION_SET && self->set_count < SETS_MAX) {
        self->sets[self->set_count++] = copy_text(optarg);
    } else if (option > OPTION_TASK) {
        *task_p = (task)(option - OPTION_TASK);
    } else {
        return false;
    }
    return true;
}

static task read_arguments(conf_t *self, int argc, char **argv, FILE *err)
{
    task asked = TASK_RUN;
    forget_arguments(self);
    optind = 0; /* start over, also in a second call */
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (take_option(self, option, &asked)) continue;
        fprintf(err, "%s: %s: unknown, incomplete or too often (see --help)\n", self->program, argv[optind - 1]);
        return TASK_WRONG;
    }
    if (optind < argc) {
        fprintf(err, "%s: %s: unexpected argument (see --help)\n", self->program, argv[optind]);
        return TASK_WRONG;
    }
    return asked;
}

/* True if the task needs no settings. */
static bool print_fixed(const conf_t *self, task asked, FILE *out)
{
    switch (asked) {
    case TASK_LIST: list_settings(self, out); return true;
    case TASK_VERSION: fprintf(out, "%s %s\n", self->program, MYKEY_VERSION); return true;
    case TASK_HELP: print_help(self, out); return true;
    default: return false;
    }
}

conf_verb conf_load(conf_t *self, int argc, char **argv, FILE *out, FILE *err)
{
    task asked = read_arguments(self, argc, argv, err);
    if (asked == TASK_WRONG) return CONF_FAILED;
    if (print_fixed(self, asked, out)) return CONF_DONE;
    if (!gather(self, err)) return CONF_FAILED;
    for (size_t i = 0; i < self->count; i++) put_in_force(&self->slots[i]);
    if (asked == TASK_PRINT) print_config(self, out);
    if (asked == TASK_CHECK) fprintf(out, "%s: settings are right\n", self->program);
    return asked == TASK_RUN ? CONF_RUN : CONF_DONE;
}

mk_code conf_reload(conf_t *self, FILE *err)
{
    MK_ENSURE(gather(self, err), MK_BAD_REQUEST);
    for (size_t i = 0; i < self->count; i++) {
        slot *s = &self->slots[i];
        if (s->row->reloadable && (s->text == NULL || strcmp(s->text, s->next) != 0)) put_in_force(s);
    }
    forget_next(self);
    return MK_OK;
}
