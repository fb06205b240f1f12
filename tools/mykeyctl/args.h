/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: words, and options that may stand anywhere among them. */
#ifndef MYKEY_MYKEYCTL_ARGS_H
#define MYKEY_MYKEYCTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>

enum { ARGS_WORDS_MAX = 64, ARGS_SETS_MAX = 32 };

typedef struct args {
    const char *words[ARGS_WORDS_MAX];
    size_t word_count;
    const char *config;              /* --config FILE */
    const char *sets[ARGS_SETS_MAX]; /* --set NAME=VALUE, each */
    size_t set_count;
    const char *authority; /* --authority FILE */
    const char *label;     /* --label TEXT */
    const char *csv;       /* --csv FILE */
    const char *out;       /* --out FILE */
    bool json, watch, help, version;
} args_t;

/* false: *ret_wrong (static or of argv) is the word that is no option, lacks its value, or is one too many. */
bool args_read(int argc, char **argv, args_t *ret_args, const char **ret_wrong);

/* The first option given that is not in `allowed` (names with blanks between, without dashes); NULL if there is none.
 * config, set, json, help and version are always allowed. */
const char *args_unexpected(const args_t *self, const char *allowed);

#endif
