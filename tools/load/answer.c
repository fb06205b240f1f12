/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/answer.h"

#include <string.h>
#include <strings.h>

typedef struct slice {
    const char *data;
    size_t size;
} slice_t;

typedef struct head {
    answer_t answer;
    bool has_length, has_gateway;
} head_t;

static const char version[] = "HTTP/1.1 ";
enum { VERSION_SIZE = sizeof version - 1, STATUS_SIZE = VERSION_SIZE + 3, LENGTH_DIGITS = 5 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool same_text(slice_t a, const char *b)
{
    return a.size == strlen(b) && strncasecmp(a.data, b, a.size) == 0;
}

/* Printable bytes and tabs; anything above ASCII is left to whoever reads it. */
static bool is_plain(slice_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

static slice_t trim(slice_t text)
{
    while (text.size > 0 && strchr(" \t", text.data[0])) text = (slice_t){text.data + 1, text.size - 1};
    while (text.size > 0 && strchr(" \t", text.data[text.size - 1])) text.size--;
    return text;
}

/* ---- headers, a row a name that means something here ---- */

static bool take_length(head_t *head, slice_t value)
{
    size_t size = 0;
    if (head->has_length || value.size == 0 || value.size > LENGTH_DIGITS) return false;
    for (size_t i = 0; i < value.size; i++) {
        if (!is_digit(value.data[i])) return false;
        size = size * 10 + (size_t)(value.data[i] - '0');
    }
    head->has_length = true;
    head->answer.body_size = size;
    return size <= ANSWER_BODY_MAX;
}

static bool take_gateway(head_t *head, slice_t value)
{
    if (head->has_gateway || value.size == 0) return false;
    head->has_gateway = true;
    head->answer.gateway = value.data;
    head->answer.gateway_size = value.size;
    return true;
}

static bool take_connection(head_t *head, slice_t value)
{
    if (same_text(value, "close")) head->answer.close = true;
    return true;
}

/* A length by other means would make two readers see two bodies. */
static bool take_refused(head_t *head, slice_t value)
{
    (void)head, (void)value;
    return false;
}

static const struct {
    const char *name;
    bool (*take)(head_t *head, slice_t value);
} known[] = {{"Content-Length", take_length},
             {"X-Mykey-Gateway", take_gateway},
             {"Connection", take_connection},
             {"Transfer-Encoding", take_refused}};

static bool is_token_char(char c)
{
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    return letter || c == '-' || is_digit(c) || (c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL);
}

static bool is_token(slice_t name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!is_token_char(name.data[i])) return false;
    return name.size > 0;
}

static bool take_header(head_t *head, slice_t text)
{
    const char *colon = memchr(text.data, ':', text.size);
    if (!colon || !is_plain(text)) return false;
    slice_t name = {text.data, (size_t)(colon - text.data)};
    if (!is_token(name)) return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (same_text(name, known[i].name))
            return known[i].take(head, trim((slice_t){colon + 1, text.size - name.size - 1}));
    return true;
}

static bool take_status(head_t *head, slice_t text)
{
    if (text.size < STATUS_SIZE || memcmp(text.data, version, VERSION_SIZE) != 0 || !is_plain(text)) return false;
    if (text.size > STATUS_SIZE && text.data[STATUS_SIZE] != ' ') return false;
    for (size_t i = VERSION_SIZE; i < STATUS_SIZE; i++) {
        if (!is_digit(text.data[i])) return false;
        head->answer.status = head->answer.status * 10 + (text.data[i] - '0');
    }
    return head->answer.status >= 200 && head->answer.status <= 599;
}

/* text: everything before the empty line, its last line's CRLF included. */
static bool take_head(head_t *head, slice_t text)
{
    for (bool first = true; text.size > 0; first = false) {
        const char *end = memmem(text.data, text.size, "\r\n", 2);
        if (!end) return false;
        slice_t line = {text.data, (size_t)(end - text.data)};
        if (!(first ? take_status(head, line) : take_header(head, line))) return false;
        text = (slice_t){end + 2, text.size - line.size - 2};
    }
    return head->has_length;
}

answer_state answer_read(const uint8_t *data, size_t size, answer_t *ret_answer)
{
    head_t head = {.answer = {0}};
    size_t begin = size < VERSION_SIZE ? size : VERSION_SIZE,
           searched = size < ANSWER_HEAD_MAX ? size : ANSWER_HEAD_MAX;
    if (begin > 0 && memcmp(data, version, begin) != 0) return ANSWER_BAD;
    const uint8_t *end = size > 0 ? memmem(data, searched, "\r\n\r\n", 4) : NULL;
    if (!end) return size >= ANSWER_HEAD_MAX ? ANSWER_BAD : ANSWER_PARTIAL;
    if (!take_head(&head, (slice_t){(const char *)data, (size_t)(end - data) + 2})) return ANSWER_BAD;
    head.answer.body = end + 4;
    size_t came = size - (size_t)(head.answer.body - data);
    if (came < head.answer.body_size) return ANSWER_PARTIAL;
    if (came > head.answer.body_size) return ANSWER_BAD;
    *ret_answer = head.answer;
    return ANSWER_WHOLE;
}
