/* SPDX-License-Identifier: Apache-2.0 */
/* What a customer number of an operator looks like. */
#ifndef MYKEY_REGISTRY_NUMBER_H
#define MYKEY_REGISTRY_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/code.h"
#include "proto/registry.pb-c.h"

enum { NUMBER_MAX = 64 };

/* Half-width, trimmed, leading zeros kept. NUMBER_INVALID: empty, over 64 bytes, not text. */
mk_code number_read(const char *text, char out[NUMBER_MAX + 1]) MK_CHECKED;

/* By the operator's rule and, unless digits only, the characters of its symbology. */
bool number_fits(const Mykey__Registry__Operator *operator, const char * number);

/* Twelve digits whose last is the check digit of a My Number: never taken in, whoever's number it is. */
bool number_is_my_number(const char *number);

/* Six digits, the last a check digit (municipality code). */
bool number_is_municipality_code(const char *code);

#endif
