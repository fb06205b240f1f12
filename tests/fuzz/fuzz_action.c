/* SPDX-License-Identifier: Apache-2.0 */
/* What a page may post: what is taken from it is within its bounds and nothing else.
 * Parsers: agent/action.c */
#include <stdlib.h>
#include <string.h>

#include "agent/action.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t max)
{
    if (text && strlen(text) > max) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    counter_action action;
    json_t *body = NULL;
    action_setup();
    if (action_parse((const char *)data, size, &action, &body) != MK_OK) {
        if (body) abort();
        return 0;
    }
    if (size > ACTION_BODY_MAX || !action.name || action.index > 255) abort();
    if ((action.digit != 0) != (strcmp(action.name, "pin_digit") == 0)) abort();
    if (action.digit && (action.digit < '0' || action.digit > '9')) abort();
    check_text(action.name, 32);
    check_text(action.purpose, 32);
    check_text(action.number, 256);
    check_text(action.reason, 32);
    check_text(action.code, 64);
    json_decref(body);
    return 0;
}
