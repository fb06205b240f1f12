/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers and codes that the registry makes: all random, none derived from anything. */
#ifndef MYKEY_REGISTRY_IDENT_H
#define MYKEY_REGISTRY_IDENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/code.h"

enum { IDENT_MYKEY_SIZE = 8, IDENT_SUSPEND_SIZE = 16, IDENT_INVITE_SIZE = 26, IDENT_TERMINAL_SIZE = 18 };

/* 8 of A-Z 0-9. */
void ident_make_mykey_id(char out[IDENT_MYKEY_SIZE + 1]);

/* 16 digits. */
void ident_make_suspend_code(char out[IDENT_SUSPEND_SIZE + 1]);

/* 128 random bits as 26 characters of base32 (A-Z 2-7). */
void ident_make_invite(char out[IDENT_INVITE_SIZE + 1]);

/* "t-" and 16 of a-z 2-7 (80 bits). */
void ident_make_terminal_id(char out[IDENT_TERMINAL_SIZE + 1]);

/* As typed by a person: full-width or not, in groups with blanks or hyphens, any case. Writes exactly the code's
 * characters; BAD_REQUEST if that is not one. */
mk_code ident_read_suspend_code(const char *text, char out[IDENT_SUSPEND_SIZE + 1]) MK_CHECKED;
mk_code ident_read_invite(const char *text, char out[IDENT_INVITE_SIZE + 1]) MK_CHECKED;

#endif
