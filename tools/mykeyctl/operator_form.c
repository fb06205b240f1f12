/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mykeyctl/operator_form.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/conf/zpl.h"

enum { FILE_MAX = 64 * 1024, TEXTS_MAX = 32, NUMBER_TOP = 100000 };

typedef Mykey__Registry__Operator operator_t;
typedef Mykey__Registry__NumberRule number_t;
typedef Mykey__Registry__OutputSettings output_t;

struct operator_form {
    operator_t operator;
    number_t number;
    output_t output;
    char *texts[TEXTS_MAX]; /* owned */
    size_t text_count;
};

/* ---- the table of fields ---- */

typedef enum part { PART_OPERATOR, PART_NUMBER, PART_OUTPUT } part_t;
typedef enum kind { KIND_TEXT, KIND_FILE, KIND_COUNT, KIND_FLAG, KIND_WORD } kind_t;

static const char *const part_names[] = {"", "number", "output"};

/* An enum's words, its value 1 first; NULL ends them. */
static const char *const kind_words[] = {"library", "museum", "sports", "shop", "partner", "municipality", NULL};
static const char *const symbology_words[] = {"nw7", "code39", NULL};
static const char *const check_digit_words[] = {"none", "mod16", "7dr", NULL};
static const char *const suffix_words[] = {"none", "enter", "tab", NULL};

typedef struct field {
    part_t part;
    const char *name;
    kind_t kind;
    size_t at, has; /* offsets in the part's message; has is not used for texts */
    const char *const *words;
} field_t;

#define TEXT_FIELD(member)                                                       \
    {                                                                            \
        PART_OPERATOR, #member, KIND_TEXT, offsetof(operator_t, member), 0, NULL \
    }
#define VALUE_FIELD(part, type, member, kind, words)                                     \
    {                                                                                    \
        part, #member, kind, offsetof(type, member), offsetof(type, has_##member), words \
    }

static const field_t fields[] = {
    TEXT_FIELD(operator_id),
    VALUE_FIELD(PART_OPERATOR, operator_t, kind, KIND_WORD, kind_words),
    TEXT_FIELD(name_ja),
    TEXT_FIELD(name_en),
    TEXT_FIELD(municipality_code),
    TEXT_FIELD(terms_version),
    TEXT_FIELD(terms_ja),
    TEXT_FIELD(terms_en),
    {PART_OPERATOR, "terms_ja_file", KIND_FILE, offsetof(operator_t, terms_ja), 0, NULL},
    {PART_OPERATOR, "terms_en_file", KIND_FILE, offsetof(operator_t, terms_en), 0, NULL},
    VALUE_FIELD(PART_NUMBER, number_t, min_length, KIND_COUNT, NULL),
    VALUE_FIELD(PART_NUMBER, number_t, max_length, KIND_COUNT, NULL),
    VALUE_FIELD(PART_NUMBER, number_t, digits_only, KIND_FLAG, NULL),
    VALUE_FIELD(PART_OUTPUT, output_t, symbology, KIND_WORD, symbology_words),
    {PART_OUTPUT, "start_stop", KIND_TEXT, offsetof(output_t, start_stop), 0, NULL},
    VALUE_FIELD(PART_OUTPUT, output_t, check_digit, KIND_WORD, check_digit_words),
    VALUE_FIELD(PART_OUTPUT, output_t, keyboard, KIND_FLAG, NULL),
    VALUE_FIELD(PART_OUTPUT, output_t, key_suffix, KIND_WORD, suffix_words),
    VALUE_FIELD(PART_OUTPUT, output_t, key_start_stop, KIND_FLAG, NULL),
    VALUE_FIELD(PART_OUTPUT, output_t, key_delay_ms, KIND_COUNT, NULL),
    VALUE_FIELD(PART_OUTPUT, output_t, clear_after_s, KIND_COUNT, NULL),
};
enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

operator_form_t *operator_form_new(void)
{
    operator_form_t *self = calloc(1, sizeof *self);
    assert(self != NULL);
    mykey__registry__operator__init(&self->operator);
    mykey__registry__number_rule__init(&self->number);
    mykey__registry__output_settings__init(&self->output);
    self->operator.number = & self->number;
    self->operator.output = & self->output;
    return self;
}

void operator_form_destroy(operator_form_t **self_p)
{
    operator_form_t *self = *self_p;
    if (self == NULL) return;
    for (size_t i = 0; i < self->text_count; i++) free(self->texts[i]);
    free(self);
    *self_p = NULL;
}

operator_t *operator_form_message(operator_form_t *self)
{
    return &self->operator;
}

/* ---- taking values in ---- */

static mk_code wrong(char *why, const char *name, const char *what)
{
    snprintf(why, OPERATOR_WHY_MAX, "%s: %s", name, what);
    return MK_BAD_REQUEST;
}

static void *part_of(operator_form_t *self, part_t part)
{
    void *const parts[] = {&self->operator, & self->number, &self->output};
    return parts[part];
}

static char *read_whole(const char *path, char *why)
{
    FILE *file = fopen(path, "re");
    char *text = file == NULL ? NULL : calloc(1, FILE_MAX + 1);
    if (file == NULL) {
        snprintf(why, OPERATOR_WHY_MAX, "%s: %s", path, strerror(errno));
        return NULL;
    }
    assert(text != NULL);
    size_t size = fread(text, 1, FILE_MAX + 1, file);
    fclose(file);
    if (size <= FILE_MAX && text_is_utf8(text, size)) return text;
    snprintf(why, OPERATOR_WHY_MAX, "%s: not UTF-8 text of at most %d bytes", path, FILE_MAX);
    free(text);
    return NULL;
}

/* Takes the text. */
static mk_code keep_text(operator_form_t *self, char **at, char *text)
{
    if (self->text_count == TEXTS_MAX) {
        free(text);
        return MK_TOO_LARGE;
    }
    self->texts[self->text_count++] = text;
    *at = text;
    return MK_OK;
}

static mk_code take_file(operator_form_t *self, char **at, const char *path, char *why)
{
    char *text = read_whole(path, why);
    MK_ENSURE(text != NULL, MK_NOT_FOUND);
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) text[--size] = 0;
    return keep_text(self, at, text);
}

static mk_code take_count(uint32_t *at, const char *name, const char *value, char *why)
{
    if (!text_is_made_of(value, TEXT_DIGITS, 1, 6)) return wrong(why, name, "a number is wanted");
    *at = (uint32_t)strtoul(value, NULL, 10);
    return MK_OK;
}

static mk_code take_flag(protobuf_c_boolean *at, const char *name, const char *value, char *why)
{
    bool yes = strcmp(value, "true") == 0;
    if (!yes && strcmp(value, "false") != 0) return wrong(why, name, "true or false is wanted");
    *at = yes;
    return MK_OK;
}

static mk_code take_word(int *at, const field_t *field, const char *value, char *why)
{
    size_t used = 0;
    char list[OPERATOR_WHY_MAX / 2] = "one of these is wanted:";
    for (int i = 0; field->words[i] != NULL; i++) {
        if (strcmp(value, field->words[i]) == 0) {
            *at = i + 1;
            return MK_OK;
        }
        used = strlen(list);
        snprintf(list + used, sizeof list - used, " %s", field->words[i]);
    }
    return wrong(why, field->name, list);
}

static mk_code take_value(operator_form_t *self, const field_t *field, const char *value, char *why)
{
    char *base = part_of(self, field->part);
    void *at = base + field->at;
    bool is_text = field->kind == KIND_TEXT || field->kind == KIND_FILE;
    mk_code code = MK_INTERNAL;
    switch (field->kind) {
    case KIND_TEXT: code = keep_text(self, at, strdup(value)); break;
    case KIND_FILE: code = take_file(self, at, value, why); break;
    case KIND_COUNT: code = take_count(at, field->name, value, why); break;
    case KIND_FLAG: code = take_flag(at, field->name, value, why); break;
    case KIND_WORD: code = take_word(at, field, value, why); break;
    }
    if (code == MK_OK && !is_text) *(protobuf_c_boolean *)(base + field->has) = true;
    return code;
}

static mk_code set(operator_form_t *self, const char *part, const char *name, const char *value, char *why)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const field_t *field = &fields[i];
        if (strcmp(part, part_names[field->part]) != 0 || strcmp(name, field->name) != 0) continue;
        return take_value(self, field, value, why);
    }
    return wrong(why, name, "an operator has no such field");
}

mk_code operator_form_set(operator_form_t *self, const char *assignment, char *why)
{
    char name[64] = "", *dot;
    const char *equals = strchr(assignment, '=');
    if (equals == NULL || equals - assignment >= (ptrdiff_t)sizeof name)
        return wrong(why, assignment, "NAME=VALUE is wanted");
    memcpy(name, assignment, (size_t)(equals - assignment));
    if (!text_is_utf8(equals + 1, strlen(equals + 1))) return wrong(why, name, "not UTF-8");
    dot = strchr(name, '.');
    if (dot == NULL) return set(self, "", name, equals + 1, why);
    *dot = 0;
    return set(self, name, dot + 1, equals + 1, why);
}

/* ---- files ---- */

static bool is_part(const char *name)
{
    return strcmp(name, part_names[PART_NUMBER]) == 0 || strcmp(name, part_names[PART_OUTPUT]) == 0;
}

static mk_code take_tree(operator_form_t *self, zconfig_t *parent, const char *part, char *why)
{
    for (zconfig_t *at = zconfig_child(parent); at != NULL; at = zconfig_next(at)) {
        char *name = zconfig_name(at), *value = zconfig_value(at);
        if (zconfig_locate(parent, name) != at) return wrong(why, name, "is given twice");
        if (*part == 0 && is_part(name)) {
            MK_TRY(take_tree(self, at, name, why));
        } else if (zconfig_child(at) != NULL) {
            return wrong(why, name, "an operator has no such section");
        } else {
            MK_TRY(set(self, part, name, value, why));
        }
    }
    return MK_OK;
}

static mk_code take_root(operator_form_t *self, zconfig_t *first, const char *path, char *why)
{
    if (first == NULL || strcmp(zconfig_name(first), "operator") != 0)
        return wrong(why, path, "the section \"operator\" is wanted first");
    if (zconfig_next(first) != NULL)
        return wrong(why, zconfig_name(zconfig_next(first)), "stands outside of \"operator\"");
    return take_tree(self, first, "", why);
}

mk_code operator_form_read(operator_form_t *self, const char *path, char *why)
{
    char *text = read_whole(path, why);
    MK_ENSURE(text != NULL, MK_NOT_FOUND);
    const char *fault = NULL;
    zconfig_t *root = zpl_parse(text, 2, zpl_keep_reason, &fault);
    mk_code code = root == NULL ? wrong(why, path, fault) : take_root(self, zconfig_child(root), path, why);
    zconfig_destroy(&root);
    free(text);
    return code;
}

/* ---- showing ---- */

static const void *message_of(const operator_t *operator, part_t part)
{
    const void *const parts[] = {operator, operator->number, operator->output };
    return parts[part];
}

/* The value as text: in `buffer` or elsewhere; NULL where there is none to show. */
static const char *text_of(const operator_t *operator, const field_t * field, char buffer[16])
{
    const char *base = message_of(operator, field->part);
    if (base == NULL || field->kind == KIND_FILE) return NULL;
    if (field->kind == KIND_TEXT) {
        const char *text = *(char *const *)(const void *)(base + field->at);
        return text == NULL || *text == 0 ? NULL : text;
    }
    if (!*(const protobuf_c_boolean *)(base + field->has)) return NULL;
    if (field->kind == KIND_FLAG) return *(const protobuf_c_boolean *)(base + field->at) ? "true" : "false";
    uint32_t number = *(const uint32_t *)(const void *)(base + field->at);
    snprintf(buffer, 16, "%u", number);
    for (uint32_t i = 0; field->kind == KIND_WORD && field->words[i] != NULL; i++) {
        if (i + 1 == number) return field->words[i];
    }
    return buffer;
}

void operator_form_print(const operator_t *operator, FILE * out)
{
    char buffer[16];
    part_t shown = PART_OPERATOR;
    fputs("operator\n", out);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *text = text_of(operator, & fields[i], buffer);
        if (text == NULL) continue;
        if (fields[i].part != shown) fprintf(out, "    %s\n", part_names[fields[i].part]);
        shown = fields[i].part;
        fprintf(out, "%s%s = \"%s\"\n", shown == PART_OPERATOR ? "    " : "        ", fields[i].name, text);
    }
}

static json_t *value_json(const field_t *field, const char *text)
{
    if (field->kind == KIND_FLAG) return json_boolean(strcmp(text, "true") == 0);
    if (field->kind == KIND_COUNT) return json_integer(strtol(text, NULL, 10));
    return json_string(text);
}

json_t *operator_form_json(const operator_t *operator)
{
    char buffer[16];
    json_t *objects[] = {json_object(), json_object(), json_object()};
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *text = text_of(operator, & fields[i], buffer);
        if (text != NULL) json_object_set_new(objects[fields[i].part], fields[i].name, value_json(&fields[i], text));
    }
    for (int i = PART_NUMBER; i <= PART_OUTPUT; i++) json_object_set_new(objects[0], part_names[i], objects[i]);
    return objects[0];
}

const char *operator_form_kind(const operator_t *operator)
{
    uint32_t kind = (uint32_t) operator->kind;
    if (!operator->has_kind || kind<1 || kind >= sizeof kind_words / sizeof kind_words[0]) return "?";
    return kind_words[kind - 1];
}
