/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/text.h"

#include <stdint.h>
#include <string.h>

/* Length of the sequence at p with `left` bytes, 0 if it is not well-formed (RFC 3629 section 4). */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    if (p[0] == 0) return 0;
    if (p[0] < 0x80) return 1;
    size_t need = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < need) return 0;
    uint8_t low = 0x80, high = 0xbf;
    if (p[0] == 0xe0) low = 0xa0;
    if (p[0] == 0xed) high = 0x9f;
    if (p[0] == 0xf0) low = 0x90;
    if (p[0] == 0xf4) high = 0x8f;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    return need;
}

bool text_is_utf8(const char *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    while (size > 0) {
        size_t step = utf8_length(p, size);
        if (step == 0) return false;
        p += step;
        size -= step;
    }
    return true;
}

bool text_is_made_of(const char *text, const char *allowed, size_t min, size_t max)
{
    size_t size = strlen(text);
    return size >= min && size <= max && strspn(text, allowed) == size;
}

static bool is_wide_form(const uint8_t *p)
{
    return p[0] == 0xef && (p[1] == 0xbc || p[1] == 0xbd);
}

/* U+FF01..FF5E stand 0xFEE0 above their half-width forms; U+3000 is the wide space. 0: not one of them. */
static char narrow(const uint8_t *p, size_t length)
{
    if (length != 3) return 0;
    if (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80) return ' ';
    if (!is_wide_form(p)) return 0;
    uint32_t point = (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
    return (char)(point >= 0xff01 && point <= 0xff5e ? point - 0xfee0 : 0);
}

static size_t trim(char *text, size_t size)
{
    while (size > 0 && text[size - 1] == ' ') size--;
    size_t lead = 0;
    while (lead < size && text[lead] == ' ') lead++;
    memmove(text, text + lead, size - lead);
    text[size - lead] = '\0';
    return size - lead;
}

mk_code text_normalise_number(const char *text, char *out, size_t cap)
{
    char made[1024];
    size_t size = strlen(text), used = 0;
    MK_ENSURE(size < sizeof made, MK_TOO_LARGE);
    MK_ENSURE(text_is_utf8(text, size), MK_BAD_REQUEST);
    const uint8_t *p = (const uint8_t *)text;
    while (size > 0) {
        size_t step = utf8_length(p, size);
        char half = narrow(p, step);
        if (half != 0) {
            made[used++] = half;
        } else {
            memcpy(made + used, p, step);
            used += step;
        }
        p += step;
        size -= step;
    }
    used = trim(made, used);
    MK_ENSURE(used < cap, MK_TOO_LARGE);
    memcpy(out, made, used + 1);
    return MK_OK;
}
