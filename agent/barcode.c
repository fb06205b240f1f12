/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/barcode.h"

#include <stdio.h>
#include <string.h>
#include <zint.h>

#include "common/base/bytes.h"
#include "common/base/text.h"

static const char mod16_values[] = "0123456789-$:/.+ABCD";

/* Over the whole symbol, start and stop included: the sum of all values becomes a multiple of 16. */
static char check_mod16(const output_rules *rules, const char *number)
{
    unsigned sum = (unsigned)(strchr(mod16_values, rules->start) - mod16_values) +
                   (unsigned)(strchr(mod16_values, rules->stop) - mod16_values);
    for (const char *c = number; *c; c++) sum += (unsigned)(strchr(mod16_values, *c) - mod16_values);
    return mod16_values[(16 - sum % 16) % 16];
}

/* The number's remainder by 7. */
static char check_7dr(const char *number)
{
    unsigned rest = 0;
    for (const char *c = number; *c; c++) rest = (rest * 10 + (unsigned)(*c - '0')) % 7;
    return (char)('0' + rest);
}

/* The characters between start and stop. */
static problem_t compose(const output_rules *rules, const char *number, char *out, size_t cap)
{
    char check[2] = "";
    if (!text_is_made_of(number, rules_alphabet(rules), 1, NUMBER_MAX)) return MK_NUMBER_INVALID;
    if (rules->check == MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_MOD16) {
        if (rules->symbology != MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7) return MK_NUMBER_INVALID;
        check[0] = check_mod16(rules, number);
    } else if (rules->check == MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_7DR) {
        if (!text_is_made_of(number, TEXT_DIGITS, 1, NUMBER_MAX)) return MK_NUMBER_INVALID;
        check[0] = check_7dr(number);
    }
    (void)snprintf(out, cap, "%s%s", number, check);
    return MK_OK;
}

static problem_t draw(int symbology, const char *text, barcode *out)
{
    struct zint_symbol *symbol = ZBarcode_Create();
    if (!symbol) return MK_INTERNAL;
    symbol->symbology = symbology;
    int rc = ZBarcode_Encode(symbol, (const unsigned char *)text, (int)strlen(text));
    bool good = rc < ZINT_ERROR && symbol->rows == 1 && symbol->width <= BARCODE_MODULES_MAX;
    for (int i = 0; good && i < symbol->width; i++)
        out->modules[i] = symbol->encoded_data[0][i / 8] >> (i % 8) & 1 ? '1' : '0';
    int width = good ? symbol->width : 0;
    while (width > 0 && out->modules[width - 1] == '0') width--; /* the gap after the last character */
    out->modules[width] = '\0';
    bytes_wipe(symbol->text, sizeof symbol->text);
    ZBarcode_Delete(symbol);
    return good ? MK_OK : MK_NUMBER_INVALID;
}

problem_t barcode_encode(const output_rules *rules, const char *number, barcode *ret_barcode)
{
    char data[NUMBER_MAX + 2];
    barcode made = {.symbology = "code39"};
    bool nw7 = rules->symbology == MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7;
    PROBLEM_TRY(compose(rules, number, data, sizeof data));
    if (nw7) {
        made.symbology = "nw7";
        (void)snprintf(made.text, sizeof made.text, "%c%s%c", rules->start, data, rules->stop);
    } else {
        (void)snprintf(made.text, sizeof made.text, "%s", data);
    }
    PROBLEM_TRY(draw(nw7 ? BARCODE_CODABAR : BARCODE_CODE39, made.text, &made));
    *ret_barcode = made;
    return MK_OK;
}
