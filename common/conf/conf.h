/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: a table of typed rows; compiled default < file (ZPL) < environment < --set.
 * Name "bus.broker_a" is section bus, key broker_a in the file and MYKEY_BUS_BROKER_A in the environment.
 * An unknown setting, an unknown MYKEY_ variable or a value out of range is an error that names it. */
#ifndef MYKEY_CONF_CONF_H
#define MYKEY_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/code.h"

typedef enum conf_type { CONF_TEXT, CONF_NUMBER, CONF_FLAG } conf_type;

typedef struct conf_row {
    const char *name; /* "bus.broker_a" */
    conf_type type;
    void *value;                        /* char ** (owned by conf), int64_t *, bool * */
    const char *fallback;               /* the default as text; NULL = must be given */
    int64_t min, max;                   /* CONF_NUMBER: inclusive range; CONF_TEXT: length */
    bool reloadable;                    /* taken over on SIGHUP */
    const char *help;                   /* one English line with the unit */
    const char *choices;                /* CONF_TEXT: the allowed words, "debug info warn error"; NULL = any text */
    bool (*is_right)(const char *text); /* CONF_TEXT: NULL = any text */
    const char *form;                   /* with is_right: what is allowed, in English */
} conf_row;

#define CONF_ROW_TEXT(name, var, fallback, help)                      \
    {                                                                 \
        (name), CONF_TEXT, &(var), (fallback), 0, 1024, false, (help) \
    }
#define CONF_ROW_FORM(name, var, fallback, is_right, form, help)                                \
    {                                                                                           \
        (name), CONF_TEXT, &(var), (fallback), 0, 1024, false, (help), NULL, (is_right), (form) \
    }
#define CONF_ROW_NUMBER(name, var, fallback, min, max, help)                 \
    {                                                                        \
        (name), CONF_NUMBER, &(var), (fallback), (min), (max), false, (help) \
    }
#define CONF_ROW_FLAG(name, var, fallback, help)                   \
    {                                                              \
        (name), CONF_FLAG, &(var), (fallback), 0, 1, false, (help) \
    }

typedef struct conf_table {
    const conf_row *rows;
    size_t count;
} conf_table;

typedef struct conf conf_t;

/* Several tables make one set (a library's rows and the service's own). Rows are not copied. */
conf_t *conf_new(const char *program);
void conf_destroy(conf_t **self_p);
void conf_add(conf_t *self, const conf_row *rows, size_t count);

typedef enum conf_verb { CONF_RUN, CONF_DONE, CONF_FAILED } conf_verb;

/* Reads the command line (--config FILE, --set NAME=VALUE, --check-config, --print-config, --list-settings,
 * --version, --help), the file and the environment into the rows' variables. Prints what was asked for to out,
 * errors to err. CONF_RUN: go on; CONF_DONE: asked only to print, exit 0; CONF_FAILED: exit 2. */
conf_verb conf_load(conf_t *self, int argc, char **argv, FILE *out, FILE *err);

/* Reads file and environment again; takes over reloadable rows only if all is right, else changes nothing and
 * writes why to err. */
mk_code conf_reload(conf_t *self, FILE *err) MK_CHECKED;

#endif
