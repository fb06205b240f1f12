/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/operator_row.h"

#include <string.h>

#include "common/base/text.h"
#include "services/registry/number.h"

enum { LABEL_MAX = 128, TERMS_MAX = 4096 };

static char empty[] = "";
static char default_start_stop[] = "AA";

#define SET(message, field, value) ((message)->has_##field = 1, (message)->field = (value))

/* ---- row → message ---- */

static void init(operator_row *out)
{
    *out = (operator_row){MYKEY__REGISTRY__OPERATOR__INIT, MYKEY__REGISTRY__NUMBER_RULE__INIT,
                          MYKEY__REGISTRY__OUTPUT_SETTINGS__INIT};
    out->operator.number = & out->number;
    out->operator.output = & out->output;
}

void operator_row_read(const PGresult *result, int row, int column, operator_row *out)
{
    Mykey__Registry__Operator *operator= & out->operator;
    init(out);
    operator->operator_id = db_text(result, row, column++);
    SET(operator, kind, (Mykey__Registry__OperatorKind)db_number(result, row, column++));
    operator->name_ja = db_text(result, row, column++);
    operator->name_en = db_text(result, row, column++);
    SET(&out->number, min_length, (uint32_t)db_number(result, row, column++));
    SET(&out->number, max_length, (uint32_t)db_number(result, row, column++));
    SET(&out->number, digits_only, db_flag(result, row, column++));
    SET(&out->output, symbology, (Mykey__Registry__Symbology)db_number(result, row, column++));
    out->output.start_stop = db_text(result, row, column++);
    SET(&out->output, check_digit, (Mykey__Registry__CheckDigit)db_number(result, row, column++));
    SET(&out->output, keyboard, db_flag(result, row, column++));
    SET(&out->output, key_suffix, (Mykey__Registry__KeySuffix)db_number(result, row, column++));
    SET(&out->output, key_start_stop, db_flag(result, row, column++));
    SET(&out->output, key_delay_ms, (uint32_t)db_number(result, row, column++));
    SET(&out->output, clear_after_s, (uint32_t)db_number(result, row, column++));
    operator->terms_version = db_text(result, row, column++);
    operator->terms_ja = db_text(result, row, column++);
    operator->terms_en = db_text(result, row, column++);
    operator->municipality_code = db_text(result, row, column++);
}

/* ---- request → checked, with defaults ---- */

/* Text for people: at most max bytes, no control characters (lines may be broken where `lines`). */
static bool is_label(const char *text, size_t min, size_t max, bool lines)
{
    size_t size = strlen(text);
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if ((c < 0x20 && !(lines && c == '\n')) || c == 0x7f) return false;
    }
    return size >= min && size <= max;
}

static char *given(char *text)
{
    return text == NULL ? empty : text;
}

static void fill_number(const Mykey__Registry__NumberRule *asked, Mykey__Registry__NumberRule *out)
{
    SET(out, min_length, asked != NULL && asked->has_min_length ? asked->min_length : 1);
    SET(out, max_length, asked != NULL && asked->has_max_length ? asked->max_length : 20);
    SET(out, digits_only, asked != NULL && asked->has_digits_only && asked->digits_only);
}

static void fill_output(const Mykey__Registry__OutputSettings *asked, Mykey__Registry__OutputSettings *out)
{
    static const Mykey__Registry__OutputSettings nothing = MYKEY__REGISTRY__OUTPUT_SETTINGS__INIT;
    if (asked == NULL) asked = &nothing;
    *out = *asked;
    out->base.n_unknown_fields = 0;
    out->base.unknown_fields = NULL;
    if (!asked->symbology) SET(out, symbology, MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7);
    if (given(asked->start_stop)[0] == '\0') out->start_stop = default_start_stop;
    if (!asked->check_digit) SET(out, check_digit, MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_NONE);
    if (!asked->key_suffix) SET(out, key_suffix, MYKEY__REGISTRY__KEY_SUFFIX__KEY_SUFFIX_ENTER);
    if (!asked->has_key_delay_ms) SET(out, key_delay_ms, 5);
    if (!asked->has_clear_after_s) SET(out, clear_after_s, 30);
    SET(out, keyboard, asked->has_keyboard && asked->keyboard);
    SET(out, key_start_stop, asked->has_key_start_stop && asked->key_start_stop);
}

static const char *number_fault(const Mykey__Registry__NumberRule *rule)
{
    if (rule->min_length < 1 || rule->min_length > NUMBER_MAX) return "number.min_length";
    if (rule->max_length < rule->min_length || rule->max_length > NUMBER_MAX) return "number.max_length";
    return NULL;
}

static bool in_range(uint32_t value, uint32_t from, uint32_t to)
{
    return value >= from && value <= to;
}

static const char *output_fault(const Mykey__Registry__OutputSettings *output, bool digits_only)
{
    bool is_nw7 = output->symbology == MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_NW7;
    if (!in_range((uint32_t)output->symbology, 1, 2)) return "output.symbology";
    if (!text_is_made_of(output->start_stop, "ABCD", 2, 2)) return "output.start_stop";
    if (!in_range((uint32_t)output->check_digit, 1, 3)) return "output.check_digit";
    /* MOD16 is defined over an NW-7 symbol, 7DR over digits. */
    if (output->check_digit == MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_MOD16 && !is_nw7) return "output.check_digit";
    if (output->check_digit == MYKEY__REGISTRY__CHECK_DIGIT__CHECK_DIGIT_7DR && !digits_only) {
        return "output.check_digit";
    }
    if (!in_range((uint32_t)output->key_suffix, 1, 3)) return "output.key_suffix";
    if (output->key_delay_ms > 50) return "output.key_delay_ms";
    if (!in_range(output->clear_after_s, 5, 600)) return "output.clear_after_s";
    return NULL;
}

static const char *text_fault(const Mykey__Registry__Operator *operator)
{
    if (!text_is_made_of(operator->operator_id, TEXT_ID, 1, 32)) return "operator_id";
    if (!in_range((uint32_t) operator->kind, 1, 6)) return "kind";
    if (!is_label(operator->name_ja, 1, LABEL_MAX, false)) return "name_ja";
    if (!is_label(operator->name_en, 0, LABEL_MAX, false)) return "name_en";
    if (!text_is_made_of(operator->terms_version, TEXT_ID ".", 1, 16)) return "terms_version";
    if (!is_label(operator->terms_ja, 0, TERMS_MAX, true)) return "terms_ja";
    if (!is_label(operator->terms_en, 0, TERMS_MAX, true)) return "terms_en";
    bool has_code = operator->municipality_code[0] != '\0';
    if (has_code && !number_is_municipality_code(operator->municipality_code)) return "municipality_code";
    return NULL;
}

mk_code operator_row_check(const Mykey__Registry__Operator *request, operator_row *out, const char **ret_detail)
{
    Mykey__Registry__Operator *operator= & out->operator;
    init(out);
    operator->operator_id = given(request->operator_id);
    SET(operator, kind, request->kind);
    operator->name_ja = given(request->name_ja);
    operator->name_en = given(request->name_en);
    operator->terms_version = given(request->terms_version);
    operator->terms_ja = given(request->terms_ja);
    operator->terms_en = given(request->terms_en);
    operator->municipality_code = given(request->municipality_code);
    fill_number(request->number, &out->number);
    fill_output(request->output, &out->output);
    const char *fault = text_fault(operator);
    if (fault == NULL) fault = number_fault(&out->number);
    if (fault == NULL) fault = output_fault(&out->output, out->number.digits_only);
    if (fault == NULL) return MK_OK;
    *ret_detail = fault;
    return MK_BAD_REQUEST;
}

void operator_row_params(const operator_row *row, params_t *params)
{
    params_text(params, row->operator.operator_id);
    params_number(params, row->operator.kind);
    params_text(params, row->operator.name_ja);
    params_text(params, row->operator.name_en);
    params_number(params, row->number.min_length);
    params_number(params, row->number.max_length);
    params_flag(params, row->number.digits_only);
    params_number(params, row->output.symbology);
    params_text(params, row->output.start_stop);
    params_number(params, row->output.check_digit);
    params_flag(params, row->output.keyboard);
    params_number(params, row->output.key_suffix);
    params_flag(params, row->output.key_start_stop);
    params_number(params, row->output.key_delay_ms);
    params_number(params, row->output.clear_after_s);
    params_text(params, row->operator.terms_version);
    params_text(params, row->operator.terms_ja);
    params_text(params, row->operator.terms_en);
    params_text(params, row->operator.municipality_code);
}
