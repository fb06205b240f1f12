/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/check.h"

const check_info *check_find(unsigned id)
{
#define ROW(id, code, demand, source) [CHECK_##id] = {#id, MK_##code, demand, source},
    static const check_info rows[] = {[CHECK_PASSED] = {"", MK_OK, "", ""},
                                      CHECK_REQUEST_TABLE(ROW) CHECK_CERTIFICATE_TABLE(ROW)};
#undef ROW
    static const check_info unknown = {"unknown", MK_INTERNAL, "", ""};
    return id < CHECK_COUNT_ ? &rows[id] : &unknown;
}
