/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/outcome.h"

const char *outcome_name(unsigned outcome)
{
    static const char *const own[] = {
#define ROW(name, text) text,
        OUTCOME_OWN_TABLE(ROW)
#undef ROW
    };
    if (outcome > OUTCOME_BEFORE_OWN && outcome < OUTCOME_COUNT) return own[outcome - OUTCOME_BEFORE_OWN - 1];
    return mk_code_name(outcome);
}
