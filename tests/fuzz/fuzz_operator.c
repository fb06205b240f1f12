/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry takes in: the first byte picks an operator's message with its rules, a customer number by such
 * rules, or a code that a person typed. What passed is within its bounds and passes again.
 * Parsers: services/registry/operator_row.c services/registry/number.c services/registry/ident.c common/pb/pb.c */
#include "tests/fuzz/fuzz.h"

#include "common/base/text.h"
#include "common/pb/pb.h"
#include "services/registry/ident.h"
#include "services/registry/number.h"
#include "services/registry/operator_row.h"

static void check_row(const operator_row *row)
{
    HOLDS(text_is_made_of(row->operator.operator_id, TEXT_ID, 1, 32) && strlen(row->operator.terms_version) <= 16);
    HOLDS(strlen(row->operator.name_ja) <= 128 && strlen(row->operator.terms_ja) <= 4096);
    HOLDS(row->number.min_length >= 1 && row->number.min_length <= row->number.max_length);
    HOLDS(row->number.max_length <= NUMBER_MAX && strlen(row->output.start_stop) == 2);
    HOLDS(row->output.key_delay_ms <= 50 && row->output.clear_after_s >= 5 && row->output.clear_after_s <= 600);
}

static void fuzz_message(const uint8_t *data, size_t size)
{
    ProtobufCMessage *message = NULL;
    operator_row row, again;
    const char *why = NULL;
    if (pb_unpack(&mykey__registry__operator__descriptor, data, size, &message) != MK_OK) return;
    if (operator_row_check((const Mykey__Registry__Operator *)message, &row, &why) == MK_OK) {
        check_row(&row);
        HOLDS(operator_row_check(&row.operator, & again, &why) == MK_OK);
        check_row(&again);
    } else {
        HOLDS(why != NULL);
    }
    pb_free(message);
}

static void fuzz_number(const uint8_t *data, size_t size)
{
    char number[NUMBER_MAX + 1], again[NUMBER_MAX + 1];
    Mykey__Registry__NumberRule rule = MYKEY__REGISTRY__NUMBER_RULE__INIT;
    Mykey__Registry__OutputSettings output = MYKEY__REGISTRY__OUTPUT_SETTINGS__INIT;
    Mykey__Registry__Operator operator= MYKEY__REGISTRY__OPERATOR__INIT;
    operator.number = & rule;
    operator.output = & output;
    rule.min_length = 1;
    rule.max_length = size > 0 ? data[0] & 63 : 20;
    rule.digits_only = size > 0 && data[0] & 64;
    output.symbology = size > 0 && data[0] & 128 ? 2 : 1;
    char *text = fuzz_text(data, size);
    if (number_read(text, number) == MK_OK) {
        HOLDS(strlen(number) >= 1 && number_read(number, again) == MK_OK && strcmp(number, again) == 0);
        if (number_fits(&operator, number)) HOLDS(strlen(number) <= rule.max_length);
        if (number_is_my_number(number)) HOLDS(strlen(number) == 12 && !number_is_municipality_code(number));
    }
    free(text);
}

static void fuzz_code(const uint8_t *data, size_t size)
{
    char suspend[IDENT_SUSPEND_SIZE + 1], invite[IDENT_INVITE_SIZE + 1];
    char *text = fuzz_text(data, size);
    if (ident_read_suspend_code(text, suspend) == MK_OK)
        HOLDS(text_is_made_of(suspend, TEXT_DIGITS, IDENT_SUSPEND_SIZE, IDENT_SUSPEND_SIZE));
    if (ident_read_invite(text, invite) == MK_OK)
        HOLDS(text_is_made_of(invite, TEXT_UPPER "234567", IDENT_INVITE_SIZE, IDENT_INVITE_SIZE));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(const uint8_t *, size_t) = {fuzz_message, fuzz_number, fuzz_code};
    if (size > 0) kinds[data[0] % 3](data + 1, size - 1);
    return 0;
}
