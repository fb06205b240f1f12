/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/simcard/control.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WORDS_MAX = 6, TRIES_MAX = 15 };

typedef struct words {
    char *at[WORDS_MAX]; /* at[0] is the verb; NULL where there is none */
    size_t count;
    const char *rest; /* all after the verb, as it came */
} words;

static void fail(FILE *out, const char *why)
{
    fprintf(out, "error %s\n", why);
}

static bool read_small(const char *word, unsigned max, unsigned *ret_number)
{
    char *end;
    unsigned long number = strtoul(word, &end, 10);
    if (*word < '0' || *word > '9' || *end != 0 || number > max) return false;
    *ret_number = (unsigned)number;
    return true;
}

/* The reader named by that word, the first one where there is none; NULL after telling that there is no such slot. */
static reader_t *find_reader(control *self, const char *word, FILE *out)
{
    unsigned slot = 0;
    if (word == NULL || read_small(word, CONTROL_SLOTS - 1, &slot)) return self->readers[slot];
    fail(out, "slots are 0 and 1");
    return NULL;
}

/* Also the verb swap: inserting takes out what is there. */
static void insert(control *self, const words *in, FILE *out)
{
    char why[CARD_WHY_MAX] = "the card can't be read";
    reader_t *reader = find_reader(self, in->at[2], out);
    if (reader == NULL) return;
    if (reader_insert(reader, in->at[1], why) != MK_OK) {
        fail(out, why);
        return;
    }
    fprintf(out, "ok %s %s\n", in->at[1], reader_state(reader));
}

static void take_out(control *self, const words *in, FILE *out)
{
    reader_t *reader = find_reader(self, in->at[1], out);
    if (reader == NULL) return;
    reader_remove(reader);
    fprintf(out, "ok empty\n");
}

static void print_slot(const control *self, unsigned slot, FILE *out)
{
    const card_t *card = reader_card(self->readers[slot]);
    fprintf(out, "%s{\"slot\":%u,\"state\":\"%s\"", slot > 0 ? "," : "", slot, reader_state(self->readers[slot]));
    if (card != NULL) {
        fprintf(out, ",\"card\":\"%s\",\"tries\":%u,\"sign_tries\":%u", card_name(card), card_tries(card, CARD_AUTH),
                card_tries(card, CARD_SIGN));
    }
    fprintf(out, "}");
}

static void status(control *self, const words *in, FILE *out)
{
    (void)in;
    fprintf(out, "ok {\"slots\":[");
    for (unsigned slot = 0; slot < CONTROL_SLOTS; slot++) print_slot(self, slot, out);
    fprintf(out, "],\"fault\":\"%s\",\"log\":%zu}\n", fault_text(self->fault), journal_count(self->journal));
}

static void set_fault(control *self, const words *in, FILE *out)
{
    char why[CARD_WHY_MAX] = "not understood";
    if (fault_set(self->fault, in->rest, why) != MK_OK) {
        fail(out, why);
        return;
    }
    fprintf(out, "ok %s\n", fault_text(self->fault));
}

static void list_faults(control *self, const words *in, FILE *out)
{
    char line[256];
    size_t count = 0;
    (void)self, (void)in;
    while (fault_describe(count, line, sizeof line)) count++;
    fprintf(out, "ok %zu\n", count);
    for (size_t i = 0; i < count && fault_describe(i, line, sizeof line); i++) fprintf(out, "%s\n", line);
}

/* ---- tries: on the card that lies there, or on one in the drawer ---- */

static card_t *find_inserted(const control *self, const char *name)
{
    for (unsigned slot = 0; slot < CONTROL_SLOTS; slot++) {
        card_t *card = reader_card(self->readers[slot]);
        if (card != NULL && (name == NULL || strcmp(card_name(card), name) == 0)) return card;
    }
    return NULL;
}

typedef void card_fn(card_t *card, unsigned number);

static void with_card(control *self, const char *name, card_fn *fn, unsigned number, FILE *out)
{
    char why[CARD_WHY_MAX] = "no card is inserted";
    card_t *drawn = NULL, *card = find_inserted(self, name);
    if (card == NULL && name != NULL && card_load(self->cards_dir, name, &drawn, why) == MK_OK) card = drawn;
    if (card == NULL) {
        fail(out, why);
        return;
    }
    fn(card, number);
    fprintf(out, "ok %s tries %u\n", card_name(card), card_tries(card, CARD_AUTH));
    card_destroy(&drawn);
}

static void set_auth_tries(card_t *card, unsigned number)
{
    card_set_tries(card, CARD_AUTH, number);
}

static void unblock_card(card_t *card, unsigned number)
{
    (void)number;
    card_unblock(card);
}

static void set_tries(control *self, const words *in, FILE *out)
{
    unsigned number;
    if (!read_small(in->at[1], TRIES_MAX, &number)) {
        fail(out, "tries are 0 to 15");
        return;
    }
    with_card(self, in->at[2], set_auth_tries, number, out);
}

static void unblock(control *self, const words *in, FILE *out)
{
    with_card(self, in->at[1], unblock_card, 0, out);
}

/* ---- the log ---- */

static void show_log(control *self, const words *in, FILE *out)
{
    if (in->count == 2 && strcmp(in->at[1], "clear") == 0) {
        journal_clear(self->journal);
        fprintf(out, "ok cleared\n");
        return;
    }
    if (in->count == 2) {
        fail(out, "usage: log [clear]");
        return;
    }
    size_t count = journal_count(self->journal);
    fprintf(out, "ok %zu\n", count);
    for (size_t i = 0; i < count; i++) fprintf(out, "%s\n", journal_line(self->journal, i));
}

static void label(control *self, const words *in, FILE *out)
{
    journal_set_label(self->journal, in->at[1] ? in->at[1] : "");
    fprintf(out, "ok\n");
}

/* ---- cards ---- */

static int is_card(const struct dirent *entry)
{
    return card_name_valid(entry->d_name);
}

static bool has_profile(const char *dir, const char *name)
{
    char path[1024];
    struct stat info;
    int size = snprintf(path, sizeof path, "%s/%s/card.json", dir, name);
    return size < (int)sizeof path && stat(path, &info) == 0;
}

static void list_cards(control *self, const words *in, FILE *out)
{
    struct dirent **entries = NULL;
    int count = scandir(self->cards_dir, &entries, is_card, alphasort), cards = 0;
    (void)in;
    for (int i = 0; i < count; i++) cards += has_profile(self->cards_dir, entries[i]->d_name);
    fprintf(out, "ok %d\n", cards);
    for (int i = 0; i < count; i++) {
        if (has_profile(self->cards_dir, entries[i]->d_name)) fprintf(out, "%s\n", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void help(control *self, const words *in, FILE *out);

/* ---- the table ---- */

static const struct verb {
    const char *name;
    size_t min, max; /* words after the verb */
    void (*run)(control *self, const words *in, FILE *out);
    const char *arguments, *help;
} verbs[] = {
    {"insert", 1, 2, insert, "CARD [SLOT]", "lay a card on the reader (slot 0)"},
    {"remove", 0, 1, take_out, "[SLOT]", "take it away"},
    {"swap", 1, 2, insert, "CARD [SLOT]", "take it away and lay another one there, 1.2 s later"},
    {"status", 0, 0, status, "", "what lies where, tries left, the fault: JSON"},
    {"cards", 0, 0, list_cards, "", "the cards that there are"},
    {"fault", 1, WORDS_MAX - 1, set_fault, "NAME [ARGUMENTS]", "misbehave; `fault none` ends it"},
    {"faults", 0, 0, list_faults, "", "the faults that there are"},
    {"tries", 1, 2, set_tries, "N [CARD]", "set the tries left of the authentication PIN"},
    {"unblock", 0, 1, unblock, "[CARD]", "give both PINs their full tries again"},
    {"log", 0, 1, show_log, "[clear]", "what the cards were told: JSON lines"},
    {"label", 0, 1, label, "[TEXT]", "mark the log's lines from now on"},
    {"help", 0, 0, help, "", "these lines"},
};
enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

void control_print_help(FILE *out)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        fprintf(out, "%s %s%s- %s\n", verbs[i].name, verbs[i].arguments, verbs[i].arguments[0] ? " " : "",
                verbs[i].help);
    }
}

static void help(control *self, const words *in, FILE *out)
{
    (void)self, (void)in;
    fprintf(out, "ok %d\n", VERB_COUNT);
    control_print_help(out);
}

static void split(char *line, char *rest_copy, words *ret_words)
{
    char *rest = NULL;
    *ret_words = (words){.rest = rest_copy};
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (ret_words->count < WORDS_MAX) ret_words->at[ret_words->count] = word;
        ret_words->count++;
    }
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(name, verbs[i].name) == 0) return &verbs[i];
    }
    return NULL;
}

void control_obey(control *self, char *line, FILE *out)
{
    words in;
    const char *space = strchr(line, ' ');
    char *rest = strdup(space ? space + 1 : "");
    if (rest == NULL) abort();
    split(line, rest, &in);
    const struct verb *verb = in.count == 0 ? NULL : find_verb(in.at[0]);
    if (verb == NULL) {
        fail(out, "no such verb; `help` lists them");
    } else if (in.count - 1 < verb->min || in.count - 1 > verb->max) {
        fprintf(out, "error usage: %s %s\n", verb->name, verb->arguments);
    } else {
        verb->run(self, &in, out);
    }
    free(rest);
}
