/* SPDX-License-Identifier: Apache-2.0 */
/* A line is built in one buffer of PIPE_BUF bytes and leaves with one write(2), so lines of several processes on one
 * pipe never mix. A field that doesn't fit is left out whole. */
#include "common/log/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/text.h"

enum { BUFFER_SIZE = 4096, TAIL_SIZE = 2, VALUE_MAX = 256, LINES_PER_SECOND = 200, LEVELS = 4 };

typedef enum field_kind { TEXT, NUMBER } field_kind;

#define ROW(id, name, kind, help) {(name), (kind)},
static const struct {
    const char *name;
    field_kind kind;
} field_table[] = {{"", TEXT}, LOG_FIELD_TABLE(ROW)};
#undef ROW

static const char *const level_names[LEVELS] = {"debug", "info", "warn", "error"};

/* One log a process: stderr is one, too. */
static struct {
    char service[64];
    char instance[64];
    log_level level;
    uint64_t lines, dropped;
    uint64_t second;          /* the second that the counts are of */
    unsigned written[LEVELS]; /* in this second */
    uint64_t unreported;      /* dropped since the last line that told it */
} state = {.service = "?", .instance = "?", .level = LEVEL_INFO};

typedef struct line {
    char data[BUFFER_SIZE];
    size_t size;
    bool full;
} line;

void log_open(const char *service, const char *instance, log_level level)
{
    snprintf(state.service, sizeof state.service, "%s", service);
    snprintf(state.instance, sizeof state.instance, "%s", instance);
    state.level = level;
}

void log_set_level(log_level level)
{
    state.level = level;
}

uint64_t log_lines_total(void)
{
    return state.lines;
}

uint64_t log_dropped_total(void)
{
    return state.dropped;
}

static void put(line *out, const char *data, size_t size)
{
    if (out->full || out->size + size > sizeof out->data - TAIL_SIZE) {
        out->full = true;
        return;
    }
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

static void put_word(line *out, const char *word)
{
    put(out, word, strlen(word));
}

/* Length of the well-formed character at p, 0 if there is none. */
static size_t character_size(const char *p, size_t left)
{
    for (size_t size = 1; size <= 4 && size <= left; size++) {
        if (text_is_utf8(p, size)) return size;
    }
    return 0;
}

static void put_escape(line *out, unsigned unit)
{
    char text[8];
    int size = snprintf(text, sizeof text, "\\u%04x", unit & 0xffff);
    put(out, text, (size_t)size);
}

/* C0, DEL and C1 would steer a terminal that shows the log. */
static bool is_control(const uint8_t *p, size_t size)
{
    return (size == 1 && (p[0] < 0x20 || p[0] == 0x7f)) || (size == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

static void put_character(line *out, const char *p, size_t size)
{
    const uint8_t *u = (const uint8_t *)p;
    if (is_control(u, size)) {
        put_escape(out, u[size - 1]);
        return;
    }
    if (*p == '"' || *p == '\\') put(out, "\\", 1);
    put(out, p, size);
}

static void put_string(line *out, const char *text)
{
    size_t left = strnlen(text, VALUE_MAX + 1);
    bool is_cut = left > VALUE_MAX;
    if (is_cut) left = VALUE_MAX;
    put(out, "\"", 1);
    while (left > 0) {
        size_t size = character_size(text, left);
        if (size == 0 && is_cut && left < 4 && character_size(text, 4) > left) break; /* a character cut in two */
        if (size == 0) put_escape(out, 0xfffd);
        if (size > 0) put_character(out, text, size);
        text += size > 0 ? size : 1;
        left -= size > 0 ? size : 1;
    }
    put(out, "\"", 1);
}

static void put_time(line *out)
{
    uint64_t now = clock_wall_us();
    time_t seconds = (time_t)(now / 1000000);
    struct tm utc;
    char text[40];
    gmtime_r(&seconds, &utc);
    size_t size = strftime(text, sizeof text, "\"%Y-%m-%dT%H:%M:%S", &utc);
    put(out, text, size);
    size = (size_t)snprintf(text, sizeof text, ".%06uZ\"", (unsigned)(now % 1000000));
    put(out, text, size);
}

static void put_field(line *out, const log_field *field)
{
    if (field->id >= LOG_F_COUNT_) return;
    bool is_number = field_table[field->id].kind == NUMBER;
    if (!is_number && field->text == NULL) return;
    size_t before = out->size;
    char number[32];
    put_word(out, ",\"");
    put_word(out, field_table[field->id].name);
    put_word(out, "\":");
    snprintf(number, sizeof number, "%" PRId64, field->number);
    if (is_number) put_word(out, number);
    if (!is_number) put_string(out, field->text);
    if (out->full) out->size = before;
    out->full = false;
}

static void emit(log_level level, const char *event, const log_field *fields)
{
    line out = {.size = 0};
    put_word(&out, "{\"ts\":");
    put_time(&out);
    put_word(&out, ",\"level\":\"");
    put_word(&out, level_names[level]);
    put_word(&out, "\",\"svc\":");
    put_string(&out, state.service);
    put_word(&out, ",\"inst\":");
    put_string(&out, state.instance);
    put_word(&out, ",\"event\":");
    put_string(&out, event);
    for (; fields->id != LOG_F_END; fields++) put_field(&out, fields);
    memcpy(out.data + out.size, "}\n", TAIL_SIZE);
    out.size += TAIL_SIZE;
    ssize_t written;
    do {
        written = write(STDERR_FILENO, out.data, out.size);
    } while (written < 0 && errno == EINTR);
    if (written < 0) state.dropped++;
    if (written >= 0) state.lines++;
}

/* Starts the next second's counts; what the last one dropped is told first. */
static void turn_second(void)
{
    uint64_t second = clock_mono_ms() / 1000;
    if (second == state.second) return;
    state.second = second;
    memset(state.written, 0, sizeof state.written);
    uint64_t unreported = state.unreported;
    state.unreported = 0;
    if (unreported > 0) {
        emit(LEVEL_WARN, "log_dropped", (const log_field[]){LOG_NUMBER(COUNT, unreported), {LOG_F_END, NULL, 0}});
    }
}

void log_write(log_level level, const char *event, const log_field *fields)
{
    int saved = errno;
    turn_second();
    if (level >= state.level) {
        if (level < LEVEL_ERROR && state.written[level] >= LINES_PER_SECOND) {
            state.dropped++;
            state.unreported++;
        } else {
            state.written[level]++;
            emit(level, event, fields);
        }
    }
    errno = saved;
}
