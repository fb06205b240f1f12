/* SPDX-License-Identifier: Apache-2.0 */
/* An operator as people write it: a ZPL file, or NAME=VALUE words, and back. Names are those of proto/registry.proto;
 * "number." and "output." stand before the names of the two parts; terms_ja_file and terms_en_file name text files. */
#ifndef MYKEY_MYKEYCTL_OPERATOR_FORM_H
#define MYKEY_MYKEYCTL_OPERATOR_FORM_H

#include <jansson.h>
#include <stdio.h>

#include "common/base/code.h"
#include "proto/registry.pb-c.h"

enum { OPERATOR_WHY_MAX = 256 };

typedef struct operator_form operator_form_t;

operator_form_t *operator_form_new(void);
void operator_form_destroy(operator_form_t **self_p);

/* Reads a file with a section "operator". BAD_REQUEST, NOT_FOUND, TOO_LARGE: why (OPERATOR_WHY_MAX bytes) says what is
 * wrong; the form is then unusable. */
mk_code operator_form_read(operator_form_t *self, const char *path, char *why) MK_CHECKED;

/* Takes one "NAME=VALUE". */
mk_code operator_form_set(operator_form_t *self, const char *assignment, char *why) MK_CHECKED;

/* What has been gathered; valid as long as the form. */
Mykey__Registry__Operator *operator_form_message(operator_form_t *self);

/* As ZPL, and as JSON with the same names. Terms are shown in full. */
void operator_form_print(const Mykey__Registry__Operator *operator, FILE * out);
json_t *operator_form_json(const Mykey__Registry__Operator *operator);

/* "library"; "?" for what is not known here. */
const char *operator_form_kind(const Mykey__Registry__Operator *operator);

#endif
