/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/simcard/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

struct journal {
    char *lines[JOURNAL_LINES_MAX];
    size_t first, count;
    unsigned sessions;
    uint64_t began_ms;
    char label[JOURNAL_LABEL_MAX + 1];
};

journal_t *journal_new(void)
{
    journal_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->began_ms = clock_mono_ms();
    return self;
}

void journal_destroy(journal_t **self_p)
{
    if (*self_p == NULL) return;
    journal_clear(*self_p);
    free(*self_p);
    *self_p = NULL;
}

unsigned journal_next_session(journal_t *self)
{
    return ++self->sessions;
}

static void append(journal_t *self, char *line)
{
    if (line == NULL) abort();
    if (self->count == JOURNAL_LINES_MAX) {
        free(self->lines[self->first]);
        self->first = (self->first + 1) % JOURNAL_LINES_MAX;
        self->count--;
    }
    self->lines[(self->first + self->count++) % JOURNAL_LINES_MAX] = line;
}

/* The fields that every line has; `rest` follows them. All texts are our own words or checked names. */
static void write_line(journal_t *self, const journal_place *place, const char *rest)
{
    char *line = NULL;
    unsigned long long ms = clock_mono_ms() - self->began_ms;
    int size = asprintf(&line, "{\"ms\":%llu,\"slot\":%u,\"session\":%u,\"card\":\"%s\",\"label\":\"%s\",%s}", ms,
                        place->slot, place->session, place->card, self->label, rest);
    append(self, size < 0 ? NULL : line);
}

void journal_event(journal_t *self, const journal_place *place, const char *event)
{
    char rest[64];
    snprintf(rest, sizeof rest, "\"event\":\"%s\"", event);
    write_line(self, place, rest);
}

static const char *quoted(const char *text, char *out, size_t cap)
{
    if (text == NULL) return "null";
    snprintf(out, cap, "\"%s\"", text);
    return out;
}

void journal_add(journal_t *self, const journal_place *place, const journal_command *command)
{
    uint8_t head[4] = {0};
    char rest[512], file[32], aid[48], sw[8];
    memcpy(head, command->bytes, command->size < sizeof head ? command->size : sizeof head);
    snprintf(sw, sizeof sw, "%04X", command->sw);
    snprintf(rest, sizeof rest,
             "\"event\":\"apdu\",\"n\":%u,\"command\":\"%s\",\"cla\":\"%02X\",\"ins\":\"%02X\",\"p1p2\":\"%02X%02X\","
             "\"lc\":%zu,\"le\":%zu,\"applet\":\"%s\",\"file\":%s,\"aid\":%s,\"executed\":%s,\"answered\":%s,"
             "\"sw\":\"%s\",\"reply\":%zu",
             command->number, command->command, head[0], head[1], head[2], head[3], command->lc, command->le,
             command->applet, quoted(command->file, file, sizeof file), quoted(command->aid, aid, sizeof aid),
             command->executed ? "true" : "false", command->answered ? "true" : "false", sw, command->reply_size);
    write_line(self, place, rest);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
}

void journal_set_label(journal_t *self, const char *label)
{
    size_t size = 0;
    for (; *label && size < JOURNAL_LABEL_MAX; label++) {
        if (is_word(*label)) self->label[size++] = *label;
    }
    self->label[size] = 0;
}

size_t journal_count(const journal_t *self)
{
    return self->count;
}

const char *journal_line(const journal_t *self, size_t index)
{
    return self->lines[(self->first + index) % JOURNAL_LINES_MAX];
}

void journal_clear(journal_t *self)
{
    for (size_t i = 0; i < self->count; i++) free(self->lines[(self->first + i) % JOURNAL_LINES_MAX]);
    self->first = self->count = 0;
}
