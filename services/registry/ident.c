/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/ident.h"

#include <ctype.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/text.h"

static const char base32[] = TEXT_UPPER "234567";

static void pick(const char *alphabet, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) out[i] = alphabet[bytes_random_below((uint32_t)strlen(alphabet))];
    out[count] = '\0';
}

void ident_make_mykey_id(char out[IDENT_MYKEY_SIZE + 1])
{
    pick(TEXT_UPPER TEXT_DIGITS, IDENT_MYKEY_SIZE, out);
}

void ident_make_suspend_code(char out[IDENT_SUSPEND_SIZE + 1])
{
    pick(TEXT_DIGITS, IDENT_SUSPEND_SIZE, out);
}

/* 26 characters hold 130 bits: the first is one of eight, so that 128 are left. */
void ident_make_invite(char out[IDENT_INVITE_SIZE + 1])
{
    pick("ABCDEFGH", 1, out);
    pick(base32, IDENT_INVITE_SIZE - 1, out + 1);
}

void ident_make_terminal_id(char out[IDENT_TERMINAL_SIZE + 1])
{
    out[0] = 't', out[1] = '-';
    pick(TEXT_LOWER "234567", IDENT_TERMINAL_SIZE - 2, out + 2);
}

static mk_code read_code(const char *text, const char *alphabet, size_t size, char *out)
{
    char half[128], made[32];
    size_t used = 0;
    MK_ENSURE(size < sizeof made && text_normalise_number(text, half, sizeof half) == MK_OK, MK_BAD_REQUEST);
    for (const char *p = half; *p != '\0'; p++) {
        if (*p == ' ' || *p == '-') continue;
        MK_ENSURE(used < size && strchr(alphabet, toupper((unsigned char)*p)) != NULL, MK_BAD_REQUEST);
        made[used++] = (char)toupper((unsigned char)*p);
    }
    MK_ENSURE(used == size, MK_BAD_REQUEST);
    memcpy(out, made, size);
    out[size] = '\0';
    bytes_wipe(half, sizeof half);
    bytes_wipe(made, sizeof made);
    return MK_OK;
}

mk_code ident_read_suspend_code(const char *text, char out[IDENT_SUSPEND_SIZE + 1])
{
    return read_code(text, TEXT_DIGITS, IDENT_SUSPEND_SIZE, out);
}

mk_code ident_read_invite(const char *text, char out[IDENT_INVITE_SIZE + 1])
{
    return read_code(text, base32, IDENT_INVITE_SIZE, out);
}
