/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/keymap.h"

#include <linux/input-event-codes.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/text.h"

static const unsigned short digit_keys[] = {KEY_0, KEY_1, KEY_2, KEY_3, KEY_4, KEY_5, KEY_6, KEY_7, KEY_8, KEY_9};
static const unsigned short letter_keys[] = {KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G, KEY_H, KEY_I,
                                             KEY_J, KEY_K, KEY_L, KEY_M, KEY_N, KEY_O, KEY_P, KEY_Q, KEY_R,
                                             KEY_S, KEY_T, KEY_U, KEY_V, KEY_W, KEY_X, KEY_Y, KEY_Z};

/* Signs sit on different keys of a Japanese (JIS) and a US keyboard. */
static const struct {
    char sign;
    key_stroke stroke[2]; /* by keymap_layout */
} signs[] = {
    {'-', {{KEY_MINUS, false}, {KEY_MINUS, false}}},
    {'.', {{KEY_DOT, false}, {KEY_DOT, false}}},
    {'/', {{KEY_SLASH, false}, {KEY_SLASH, false}}},
    {' ', {{KEY_SPACE, false}, {KEY_SPACE, false}}},
    {'$', {{KEY_4, true}, {KEY_4, true}}},
    {'%', {{KEY_5, true}, {KEY_5, true}}},
    {':', {{KEY_APOSTROPHE, false}, {KEY_SEMICOLON, true}}},
    {'+', {{KEY_SEMICOLON, true}, {KEY_EQUAL, true}}},
};

bool keymap_find(const char *name, keymap_layout *ret_layout)
{
    bool jp = strcmp(name, "jp") == 0;
    if (!jp && strcmp(name, "us") != 0) return false;
    *ret_layout = jp ? KEYMAP_JP : KEYMAP_US;
    return true;
}

/* c is of a symbology's alphabet or A … D. */
static key_stroke stroke_of(keymap_layout layout, char c)
{
    if (c >= '0' && c <= '9') return (key_stroke){digit_keys[c - '0'], false};
    if (c >= 'A' && c <= 'Z') return (key_stroke){letter_keys[c - 'A'], true};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (signs[i].sign == c) return signs[i].stroke[layout];
    return (key_stroke){KEY_RESERVED, false};
}

problem_t keymap_plan(keymap_layout layout, const output_rules *rules, const char *number,
                      key_stroke out[KEYMAP_STROKES_MAX], size_t *ret_count)
{
    bool ends = rules->key_start_stop && rules->symbology == MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7;
    size_t count = 0;
    MK_ENSURE(text_is_made_of(number, rules_alphabet(rules), 1, NUMBER_MAX), MK_NUMBER_INVALID);
    if (ends) out[count++] = stroke_of(layout, rules->start);
    for (const char *c = number; *c; c++) out[count++] = stroke_of(layout, *c);
    if (ends) out[count++] = stroke_of(layout, rules->stop);
    if (rules->suffix == MYKEY__REGISTRY__KEY_SUFFIX__KEY_SUFFIX_ENTER) out[count++] = (key_stroke){KEY_ENTER, false};
    if (rules->suffix == MYKEY__REGISTRY__KEY_SUFFIX__KEY_SUFFIX_TAB) out[count++] = (key_stroke){KEY_TAB, false};
    *ret_count = count;
    return MK_OK;
}
