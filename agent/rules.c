/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rules.h"

#include <string.h>

#include "common/base/text.h"

static unsigned within(bool has, unsigned value, unsigned min, unsigned max, unsigned fallback)
{
    return has && value >= min && value <= max ? value : fallback;
}

static void read_start_stop(const char *text, output_rules *rules)
{
    if (!text || strlen(text) != 2 || strspn(text, "ABCD") != 2) return;
    rules->start = text[0];
    rules->stop = text[1];
}

static void read_output(const Mykey__Registry__OutputSettings *from, output_rules *rules)
{
    rules->symbology = within(from->has_symbology, from->symbology, MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7,
                              MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_CODE39, rules->symbology);
    rules->check = within(from->has_check_digit, from->check_digit, MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_NONE,
                          MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_7DR, rules->check);
    rules->suffix = within(from->has_key_suffix, from->key_suffix, MYKEY__REGISTRY__KEY_SUFFIX__KEY_SUFFIX_NONE,
                           MYKEY__REGISTRY__KEY_SUFFIX__KEY_SUFFIX_TAB, rules->suffix);
    rules->keyboard = from->has_keyboard && from->keyboard;
    rules->key_start_stop = from->has_key_start_stop && from->key_start_stop;
    rules->key_delay_ms = within(from->has_key_delay_ms, from->key_delay_ms, 0, 50, rules->key_delay_ms);
    rules->clear_after_s = within(from->has_clear_after_s, from->clear_after_s, 5, 600, rules->clear_after_s);
    read_start_stop(from->start_stop, rules);
}

output_rules rules_of(const Mykey__Registry__Operator *op)
{
    output_rules rules = {.symbology = MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7,
                          .start = 'A',
                          .stop = 'A',
                          .check = MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_NONE,
                          .suffix = MYKEY__REGISTRY__KEY_SUFFIX__KEY_SUFFIX_ENTER,
                          .key_delay_ms = 5,
                          .clear_after_s = 30,
                          .min_length = 1,
                          .max_length = 20};
    if (op && op->output) read_output(op->output, &rules);
    if (op && op->number) {
        const Mykey__Registry__NumberRule *number = op->number;
        rules.min_length = within(number->has_min_length, number->min_length, 1, NUMBER_MAX, 1);
        rules.max_length = within(number->has_max_length, number->max_length, rules.min_length, NUMBER_MAX,
                                  rules.min_length > 20 ? rules.min_length : 20);
        rules.digits_only = number->has_digits_only && number->digits_only;
    }
    return rules;
}

const char *rules_alphabet(const output_rules *rules)
{
    return rules->symbology == MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7 ? TEXT_DIGITS "-$:/.+"
                                                                         : TEXT_DIGITS TEXT_UPPER "-. $/+%";
}

/* No NW-7 number holds a letter, so letters at both ends are the symbol's own. */
static char *without_start_stop(const output_rules *rules, char *text)
{
    static const char letters[] = "ABCDabcd";
    size_t size = strlen(text);
    if (rules->symbology != MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7 || size < 3) return text;
    if (!strchr(letters, text[0]) || !strchr(letters, text[size - 1])) return text;
    text[size - 1] = '\0';
    return text + 1;
}

problem_t rules_read_number(const output_rules *rules, const char *text, char out[NUMBER_MAX + 1])
{
    char buffer[NUMBER_MAX + 3];
    MK_ENSURE(text_normalise_number(text, buffer, sizeof buffer) == MK_OK, MK_NUMBER_INVALID);
    const char *number = without_start_stop(rules, buffer);
    const char *allowed = rules->digits_only ? TEXT_DIGITS : rules_alphabet(rules);
    MK_ENSURE(text_is_made_of(number, allowed, rules->min_length, rules->max_length), MK_NUMBER_INVALID);
    memcpy(out, number, strlen(number) + 1);
    return MK_OK;
}
