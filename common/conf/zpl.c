/* SPDX-License-Identifier: Apache-2.0 */
#include "common/conf/zpl.h"

#include <string.h>

enum { LINE_LENGTH_MAX = 1000, INDENT = 4 };

static bool is_well_indented(const char *line, size_t size, unsigned depth)
{
    size_t spaces = strspn(line, " ");
    if (spaces >= size || line[spaces] == '#') return true;
    return line[spaces] != '\t' && spaces % INDENT == 0 && spaces / INDENT <= depth;
}

static const char *line_fault(const char *line, size_t size, unsigned depth)
{
    if (size > LINE_LENGTH_MAX) return "over 1000 bytes";
    if (!is_well_indented(line, size, depth)) return "a section starts at column 1, its keys 4 spaces in";
    return NULL;
}

static bool lines_are_right(const char *text, unsigned depth, zpl_complain_fn *complain, void *arg)
{
    bool right = true;
    for (unsigned number = 1; *text != '\0'; number++) {
        size_t size = strcspn(text, "\n");
        const char *fault = line_fault(text, size, depth);
        if (fault != NULL) complain(number, fault, arg);
        right = right && fault == NULL;
        text += size + (text[size] == '\n');
    }
    return right;
}

zconfig_t *zpl_parse(const char *text, unsigned depth, zpl_complain_fn *complain, void *arg)
{
    if (!lines_are_right(text, depth, complain, arg)) return NULL;
    zconfig_t *root = zconfig_str_load(text);
    if (root == NULL) complain(0, "not ZPL (name = value lines)", arg);
    return root;
}

void zpl_keep_reason(unsigned line, const char *what, void *arg)
{
    (void)line;
    *(const char **)arg = what;
}
