/* SPDX-License-Identifier: Apache-2.0 */
/* An operator between its row, its message and its rules. */
#ifndef MYKEY_REGISTRY_OPERATOR_ROW_H
#define MYKEY_REGISTRY_OPERATOR_ROW_H

#include <libpq-fe.h>

#include "common/base/code.h"
#include "proto/registry.pb-c.h"
#include "services/registry/params.h"

typedef struct operator_row {
    Mykey__Registry__Operator operator;
    Mykey__Registry__NumberRule number;
    Mykey__Registry__OutputSettings output;
} operator_row;

/* The columns of registry.operator from `column` on; texts are owned by the result. */
void operator_row_read(const PGresult *result, int row, int column, operator_row *out);

/* Checks a request's operator and fills in the defaults; texts are owned by the request. BAD_REQUEST: *ret_detail
 * (static) names the field. */
mk_code operator_row_check(const Mykey__Registry__Operator *request, operator_row *out,
                           const char **ret_detail) MK_CHECKED;

/* In the order of put_operator's parameters. */
void operator_row_params(const operator_row *row, params_t *params);

#endif
