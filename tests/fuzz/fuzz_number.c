/* SPDX-License-Identifier: Apache-2.0 */
/* What is typed or scanned at a counter, by an operator's rules: the first eight bytes are the rules, the rest is the
 * number, or an invite. What is accepted is of the symbology, is accepted again as it is, and can be drawn and typed.
 * Parsers: agent/rules.c agent/barcode.c agent/keymap.c agent/enrol.c common/base/text.c */
#include "tests/fuzz/fuzz.h"

#include "agent/barcode.h"
#include "agent/enrol.h"
#include "agent/keymap.h"
#include "common/base/text.h"

enum { RULES = 8 };

static output_rules rules_from(const uint8_t *b)
{
    char ends[3] = {(char)('@' + b[2] % 6), (char)('@' + b[3] % 6), 0};
    Mykey__Registry__NumberRule number = MYKEY__REGISTRY__NUMBER_RULE__INIT;
    Mykey__Registry__OutputSettings output = MYKEY__REGISTRY__OUTPUT_SETTINGS__INIT;
    Mykey__Registry__Operator operator= MYKEY__REGISTRY__OPERATOR__INIT;
    operator.number = & number;
    operator.output = & output;
    output.has_symbology = output.has_check_digit = output.has_key_suffix = output.has_key_start_stop = true;
    output.symbology = b[0] % 4;
    output.check_digit = b[1] % 5;
    output.start_stop = ends;
    output.key_suffix = b[4] % 5;
    output.key_start_stop = b[4] & 0x80;
    number.has_min_length = number.has_max_length = number.has_digits_only = true;
    number.min_length = b[5];
    number.max_length = b[6];
    number.digits_only = b[7] & 1;
    return rules_of(&operator);
}

static void check_rules(const output_rules *rules)
{
    HOLDS(rules->min_length >= 1 && rules->min_length <= rules->max_length && rules->max_length <= NUMBER_MAX);
    HOLDS(rules->start >= 'A' && rules->start <= 'D' && rules->stop >= 'A' && rules->stop <= 'D');
    HOLDS(rules->symbology == 1 || rules->symbology == 2);
}

static void check_output(const output_rules *rules, const char *number)
{
    barcode code;
    key_stroke strokes[KEYMAP_STROKES_MAX];
    size_t count = 0;
    if (barcode_encode(rules, number, &code) == MK_OK) {
        HOLDS(strstr(code.text, number) != NULL && strlen(code.text) <= strlen(number) + 3);
        HOLDS(text_is_made_of(code.modules, "01", 10, BARCODE_MODULES_MAX) && code.modules[0] == '1');
    }
    for (int layout = KEYMAP_JP; layout <= KEYMAP_US; layout++) {
        HOLDS(keymap_plan(layout, rules, number, strokes, &count) == MK_OK);
        HOLDS(count >= strlen(number) && count <= strlen(number) + 3);
        for (size_t i = 0; i < count; i++) HOLDS(strokes[i].code != 0);
    }
}

static void check_normalised(const char *text)
{
    char out[256], again[256];
    if (text_normalise_number(text, out, sizeof out) != MK_OK) return;
    size_t size = strlen(out);
    HOLDS(size < sizeof out && size <= strlen(text) && text_is_utf8(out, size));
    HOLDS(size == 0 || (out[0] != ' ' && out[size - 1] != ' '));
    HOLDS(text_normalise_number(out, again, sizeof again) == MK_OK && strcmp(out, again) == 0);
}

static void check_invite(const char *text)
{
    invite read;
    char hex[2 * BYTES_SHA256_SIZE + 1];
    if (invite_parse(text, &read) != MK_OK) return;
    bytes_to_hex(read.authority_sha256, BYTES_SHA256_SIZE, hex);
    HOLDS(strlen(read.code) == INVITE_CODE_SIZE && strncmp(text, read.code, INVITE_CODE_SIZE) == 0);
    HOLDS(strncasecmp(text + INVITE_CODE_SIZE + 1, hex, sizeof hex - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char number[NUMBER_MAX + 1], again[NUMBER_MAX + 1];
    if (size < RULES) return 0;
    output_rules rules = rules_from(data);
    check_rules(&rules);
    char *text = fuzz_text(data + RULES, size - RULES);
    check_normalised(text);
    check_invite(text);
    if (rules_read_number(&rules, text, number) == MK_OK) {
        HOLDS(text_is_made_of(number, rules_alphabet(&rules), rules.min_length, rules.max_length));
        HOLDS(rules_read_number(&rules, number, again) == MK_OK && strcmp(number, again) == 0);
        check_output(&rules, number);
    }
    free(text);
    return 0;
}
