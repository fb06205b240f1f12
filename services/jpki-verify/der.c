/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/der.h"

#include <string.h>

#include "common/base/text.h"

enum { DEPTH_MAX = 8, LENGTH_OCTETS_MAX = 4 };

/* Length octets after the tag: shortest form only. *ret_header counts tag and length. */
static bool read_length(der_t in, size_t *ret_header, size_t *ret_size)
{
    size_t size = in.data[1], header = 2;
    if (size >= 0x80) {
        size_t octets = size & 0x7F;
        if (octets == 0 || octets > LENGTH_OCTETS_MAX || in.size < 2 + octets || in.data[2] == 0) return false;
        size = 0;
        for (size_t i = 0; i < octets; i++) size = size << 8 | in.data[2 + i];
        if (size < 0x80) return false;
        header += octets;
    }
    if (size > in.size - header) return false;
    *ret_header = header;
    *ret_size = size;
    return true;
}

bool der_next(der_t *in, uint8_t *ret_tag, der_t *ret_content)
{
    size_t header, size;
    if (in->size < 2 || (in->data[0] & 0x1F) == 0x1F || !read_length(*in, &header, &size)) return false;
    *ret_tag = in->data[0];
    *ret_content = (der_t){in->data + header, size};
    *in = (der_t){in->data + header + size, in->size - header - size};
    return true;
}

bool der_take(der_t *in, uint8_t tag, der_t *ret_content)
{
    uint8_t got;
    return der_next(in, &got, ret_content) && got == tag;
}

bool der_take_whole(der_t *in, uint8_t tag, der_t *ret_whole)
{
    der_t start = *in, content;
    if (!der_take(in, tag, &content)) return false;
    *ret_whole = (der_t){start.data, start.size - in->size};
    return true;
}

bool der_is(der_t in, uint8_t tag)
{
    return in.size > 0 && in.data[0] == tag;
}

bool der_integer(der_t *in, der_t *ret_content)
{
    if (!der_take(in, DER_INTEGER, ret_content) || ret_content->size == 0) return false;
    if (ret_content->size == 1) return true;
    const uint8_t *octets = ret_content->data;
    bool padded = (octets[0] == 0x00 && octets[1] < 0x80) || (octets[0] == 0xFF && octets[1] >= 0x80);
    return !padded;
}

bool der_small(der_t *in, uint32_t *ret_value)
{
    der_t content;
    if (!der_integer(in, &content) || content.data[0] >= 0x80) return false;
    if (content.size > 5 || (content.size == 5 && content.data[0] != 0)) return false;
    uint32_t value = 0;
    for (size_t i = 0; i < content.size; i++) value = value << 8 | content.data[i];
    *ret_value = value;
    return true;
}

bool der_oid(der_t *in, der_t *ret_content)
{
    if (!der_take(in, DER_OID, ret_content) || ret_content->size == 0) return false;
    bool first = true;
    for (size_t i = 0; i < ret_content->size; i++) {
        if (first && ret_content->data[i] == 0x80) return false;
        first = ret_content->data[i] < 0x80;
    }
    return first;
}

bool der_bit_octets(der_t *in, der_t *ret_octets)
{
    der_t content;
    if (!der_take(in, DER_BITS, &content) || content.size < 1 || content.data[0] != 0) return false;
    *ret_octets = (der_t){content.data + 1, content.size - 1};
    return true;
}

bool der_optional_true(der_t *in, bool *ret_value)
{
    der_t content;
    *ret_value = der_is(*in, DER_BOOLEAN);
    return !*ret_value || (der_take(in, DER_BOOLEAN, &content) && content.size == 1 && content.data[0] == 0xFF);
}

/* ---- time ---- */

/* Two digits, or -1000, which no sum of fields can mend. */
static int pair(const uint8_t *text)
{
    bool digits = text[0] >= '0' && text[0] <= '9' && text[1] >= '0' && text[1] <= '9';
    return digits ? (text[0] - '0') * 10 + (text[1] - '0') : -1000;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days since 1970-01-01 in the Gregorian calendar. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t days = 365 * (int64_t)(year - 1970);
    days += (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    for (int m = 1; m < month; m++) days += days_of_month(year, m);
    return days + day - 1;
}

/* MMDDhhmmssZ */
static bool read_moment(int year, const uint8_t *text, int64_t *ret_seconds)
{
    int month = pair(text), day = pair(text + 2), hour = pair(text + 4), minute = pair(text + 6);
    int second = pair(text + 8);
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || text[10] != 'Z') return false;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
    *ret_seconds = days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

bool der_time(der_t *in, int64_t *ret_seconds)
{
    uint8_t tag;
    der_t text;
    if (!der_next(in, &tag, &text)) return false;
    if (tag == DER_UTC_TIME && text.size == 13) {
        int year = pair(text.data);
        return year >= 0 && read_moment(year + (year < 50 ? 2000 : 1900), text.data + 2, ret_seconds);
    }
    if (tag != DER_GENERALIZED_TIME || text.size != 15) return false;
    int century = pair(text.data), year = pair(text.data + 2);
    if (century < 0 || year < 0 || century * 100 + year < 2050) return false;
    return read_moment(century * 100 + year, text.data + 4, ret_seconds);
}

/* ---- structure ---- */

static bool is_bits(der_t content)
{
    if (content.size == 0 || content.data[0] > 7) return false;
    uint8_t last = content.size == 1 ? 0xFF : content.data[content.size - 1];
    return (last & ((1u << content.data[0]) - 1)) == 0;
}

/* A primitive element of a universal type has the content of that type. Texts: only their sizes. */
static bool is_primitive(der_t element, uint8_t tag, der_t content)
{
    int64_t moment;
    switch (tag) {
    case DER_BOOLEAN: return content.size == 1 && (content.data[0] == 0x00 || content.data[0] == 0xFF);
    case DER_INTEGER: return der_integer(&element, &content);
    case DER_ENUMERATED: return content.size > 0 && (content.size == 1 || content.data[0] != 0);
    case DER_BITS: return is_bits(content);
    case DER_NULL: return content.size == 0;
    case DER_OID: return der_oid(&element, &content);
    case DER_UTC_TIME:
    case DER_GENERALIZED_TIME: return der_time(&element, &moment);
    case DER_UNIVERSAL: return content.size % 4 == 0;
    case DER_BMP: return content.size % 2 == 0;
    case DER_OCTETS:
    case DER_UTF8:
    case DER_NUMERIC:
    case DER_PRINTABLE:
    case DER_T61:
    case DER_IA5:
    case DER_VISIBLE: return true;
    default: return (tag & DER_CONTEXT(0)) != 0;
    }
}

static bool well_formed(der_t in, int depth)
{
    uint8_t tag;
    der_t content;
    while (in.size > 0) {
        der_t element = in;
        if (!der_next(&in, &tag, &content)) return false;
        bool is_list = tag == DER_SEQUENCE || tag == DER_SET || (tag & DER_CONTEXT_LIST(0)) == DER_CONTEXT_LIST(0);
        if (is_list && (depth == 0 || !well_formed(content, depth - 1))) return false;
        if (!is_list && !is_primitive(element, tag, content)) return false;
    }
    return true;
}

bool der_well_formed(der_t in)
{
    return well_formed(in, DEPTH_MAX);
}

static bool is_text(uint8_t tag, der_t text)
{
    static const char printable[] = TEXT_UPPER TEXT_LOWER TEXT_DIGITS " '()+,-./:=?";
    if (text.size == 0) return false;
    if (tag == DER_UTF8) return text_is_utf8((const char *)text.data, text.size);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool fits = tag == DER_PRINTABLE ? c != 0 && strchr(printable, c) != NULL : c > 0 && c < 0x80;
        if (!fits) return false;
    }
    return tag == DER_PRINTABLE || tag == DER_IA5;
}

static bool read_rdn(der_t *in)
{
    der_t set, pair_of, oid, text;
    uint8_t tag;
    if (!der_take(in, DER_SET, &set) || !der_take(&set, DER_SEQUENCE, &pair_of) || set.size != 0) return false;
    if (!der_oid(&pair_of, &oid) || !der_next(&pair_of, &tag, &text)) return false;
    return pair_of.size == 0 && is_text(tag, text);
}

bool der_name(der_t *in, der_t *ret_whole)
{
    if (!der_take_whole(in, DER_SEQUENCE, ret_whole)) return false;
    der_t whole = *ret_whole, list;
    if (!der_take(&whole, DER_SEQUENCE, &list) || list.size == 0) return false;
    while (list.size > 0) {
        if (!read_rdn(&list)) return false;
    }
    return true;
}

bool der_equal(der_t a, der_t b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
