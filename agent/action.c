/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/action.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"

static void free_wiped(void *data)
{
    if (data) bytes_wipe(data, malloc_usable_size(data));
    free(data);
}

void action_setup(void)
{
    json_set_alloc_funcs(malloc, free_wiped);
}

static const struct {
    const char *name;
    size_t offset; /* of the const char * in counter_action */
    size_t max;    /* bytes */
} texts[] = {
    {"action", offsetof(counter_action, name), 32},    {"purpose", offsetof(counter_action, purpose), 32},
    {"number", offsetof(counter_action, number), 256}, {"reason", offsetof(counter_action, reason), 32},
    {"code", offsetof(counter_action, code), 64},
};

static bool take_text(counter_action *action, const char *name, const json_t *value)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i].name, name) != 0) continue;
        const char *text = json_string_value(value);
        if (!text || strlen(text) != json_string_length(value) || json_string_length(value) > texts[i].max)
            return false;
        memcpy((char *)action + texts[i].offset, &text, sizeof text);
        return true;
    }
    return false;
}

static bool take_digit(counter_action *action, const json_t *value)
{
    if (json_string_length(value) != 1) return false;
    action->digit = json_string_value(value)[0];
    return action->digit >= '0' && action->digit <= '9';
}

static bool take_index(counter_action *action, const json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > 255) return false;
    action->index = (unsigned)json_integer_value(value);
    return true;
}

static bool take_member(counter_action *action, const char *name, const json_t *value)
{
    if (strcmp(name, "digit") == 0) return take_digit(action, value);
    if (strcmp(name, "index") == 0) return take_index(action, value);
    return take_text(action, name, value);
}

problem_t action_parse(const char *data, size_t size, counter_action *ret_action, json_t **ret_body)
{
    counter_action action = {0};
    const char *name = NULL;
    json_t *value = NULL;
    json_t *body = size <= ACTION_BODY_MAX ? json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool good = json_is_object(body);
    if (good) {
        json_object_foreach(body, name, value) good = good && take_member(&action, name, value);
    }
    /* A digit is needed with pin_digit and meaningless elsewhere. */
    good = good && action.name && (action.digit != 0) == (strcmp(action.name, "pin_digit") == 0);
    if (!good) {
        json_decref(body);
        return MK_BAD_REQUEST;
    }
    *ret_action = action;
    *ret_body = body;
    return MK_OK;
}
