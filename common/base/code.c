/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/code.h"

#include <stddef.h>

#define ROW(name, number, retryable, http, en, ja) {(mk_code)(number), #name, (retryable) != 0, (http), (en), (ja)},
static const mk_code_info table[] = {MK_ERROR_TABLE(ROW)};
#undef ROW

enum { TABLE_SIZE = sizeof table / sizeof table[0] };

const mk_code_info *mk_code_table(unsigned *ret_count)
{
    *ret_count = TABLE_SIZE;
    return table;
}

const mk_code_info *mk_code_find(uint32_t code)
{
    const mk_code_info *internal = NULL;
    for (unsigned i = 0; i < TABLE_SIZE; i++) {
        if ((uint32_t)table[i].code == code) return &table[i];
        if (table[i].code == MK_INTERNAL) internal = &table[i];
    }
    return internal;
}

const char *mk_code_name(uint32_t code)
{
    return mk_code_find(code)->name;
}
