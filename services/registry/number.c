/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/number.h"

#include <string.h>

#include "common/base/text.h"

static const char nw7[] = TEXT_DIGITS "-$:/.+";
static const char code39[] = TEXT_DIGITS TEXT_UPPER "-. $/+%";

mk_code number_read(const char *text, char out[NUMBER_MAX + 1])
{
    char made[NUMBER_MAX + 1];
    MK_ENSURE(text != NULL && text_normalise_number(text, made, sizeof made) == MK_OK, MK_NUMBER_INVALID);
    MK_ENSURE(made[0] != '\0', MK_NUMBER_INVALID);
    memcpy(out, made, strlen(made) + 1);
    return MK_OK;
}

static const char *characters(const Mykey__Registry__Operator *operator)
{
    if (operator->number->digits_only) return TEXT_DIGITS;
    return operator->output->symbology == MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_CODE39 ? code39 : nw7;
}

bool number_fits(const Mykey__Registry__Operator *operator, const char * number)
{
    const Mykey__Registry__NumberRule *rule = operator->number;
    return text_is_made_of(number, characters(operator), rule->min_length, rule->max_length);
}

/* Weights 6 5 4 3 2 7 6 5 4 3 2 from the left; remainder r of 11: check digit 0 if r <= 1, else 11 - r. */
bool number_is_my_number(const char *number)
{
    static const int weights[11] = {6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2};
    if (!text_is_made_of(number, TEXT_DIGITS, 12, 12)) return false;
    int sum = 0;
    for (int i = 0; i < 11; i++) sum += weights[i] * (number[i] - '0');
    int rest = sum % 11;
    return number[11] - '0' == (rest <= 1 ? 0 : 11 - rest);
}

/* Weights 6 5 4 3 2; the last digit of 11 - (sum mod 11). */
bool number_is_municipality_code(const char *code)
{
    if (!text_is_made_of(code, TEXT_DIGITS, 6, 6)) return false;
    int sum = 0;
    for (int i = 0; i < 5; i++) sum += (6 - i) * (code[i] - '0');
    return code[5] - '0' == (11 - sum % 11) % 10;
}
