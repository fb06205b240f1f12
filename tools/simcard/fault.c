/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/simcard/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"

enum {
    TEXT_MAX = 200,
    WORDS_MAX = 6,
    HEX_MAX = 64,
    TOKEN_SIZE = 32,
    AUTH_CERT = 0x000A,
    SIGN_CERT = 0x0001,
    TOKEN = 0x0006,
};

typedef enum moment { MOMENT_BEFORE, MOMENT_AFTER, MOMENT_BETWEEN } moment;

/* The arguments of the armed fault. */
typedef struct arguments {
    int kind;     /* of commands that it strikes; APDU_KIND_COUNT = any */
    unsigned nth; /* 0 = each of them */
    uint8_t hex[HEX_MAX];
    size_t hex_size;
    bool has_number;
    uint32_t number;
    moment moment;
    char card[CARD_NAME_MAX + 1];
    char text[TOKEN_SIZE + 1];
} arguments;

typedef struct fault_row fault_row;

struct fault {
    const char *cards_dir;
    const fault_row *row; /* NULL: none */
    char text[TEXT_MAX];
    arguments args;
    unsigned seen; /* commands of its kind since it was armed */
    bool hit;      /* it strikes the command in hand */
    card_t *other; /* whose certificate is shown */
    uint8_t last_signature[CARD_SIGNATURE_SIZE];
    bool has_signature;
};

typedef void before_fn(fault_t *self, bool first, fault_plan *plan);

typedef struct strike {
    const apdu *command;
    applet_t *applet;
    const card_t *card;
    reply *reply;
} strike;

typedef void after_fn(fault_t *self, const strike *at);

/* ---- before: what happens to the command ---- */

static void not_run(fault_t *self, bool first, fault_plan *plan)
{
    (void)self, (void)first;
    plan->execute = false;
}

static void hang(fault_t *self, bool first, fault_plan *plan)
{
    (void)self, (void)first;
    plan->execute = plan->answer = false;
}

static void slow(fault_t *self, bool first, fault_plan *plan)
{
    (void)first;
    plan->delay_ms = self->args.number;
}

static void refuse_first(fault_t *self, bool first, fault_plan *plan)
{
    plan->execute = !first;
    self->hit = first;
}

static void remove_at(fault_t *self, bool first, fault_plan *plan)
{
    (void)first;
    plan->execute = self->args.moment != MOMENT_BEFORE;
    plan->answer = self->args.moment == MOMENT_BETWEEN;
    plan->then = FAULT_REMOVE;
    self->row = NULL;
}

static void swap_at(fault_t *self, bool first, fault_plan *plan)
{
    (void)first;
    plan->execute = plan->answer = false;
    plan->then = FAULT_SWAP;
    plan->swap_to = self->args.card;
    self->row = NULL;
}

/* ---- after: what becomes of the answer ---- */

static bool answered(const strike *at)
{
    return reply_sw(at->reply) == 0x9000;
}

/* Is this an answered read of that file? *ret_offset: where the read began. */
static bool is_read_of(const strike *at, uint16_t id, size_t *ret_offset)
{
    const card_file *file = applet_file(at->applet);
    if (at->command->kind != APDU_READ || file == NULL || file->id != id) return false;
    *ret_offset = at->command->p1 & 0x80 ? at->command->p2 : (size_t)at->command->p1 << 8 | at->command->p2;
    return true;
}

/* Shows `bytes` at position `from` of the file, whatever the file holds there. */
static void overlay(const strike *at, uint16_t id, size_t from, const uint8_t *bytes, size_t size)
{
    size_t offset;
    if (!is_read_of(at, id, &offset) || !answered(at)) return;
    for (size_t i = 0; i < at->reply->size - 2; i++) {
        size_t position = offset + i;
        if (position >= from && position - from < size) at->reply->data[i] = bytes[position - from];
    }
}

static void show_header(fault_t *self, const strike *at)
{
    overlay(at, AUTH_CERT, 0, self->args.hex, self->args.hex_size);
}

/* Every read of the certificate is full, at any offset, under a header that promises more. */
static void read_on(const strike *at, const uint8_t *header, size_t header_size)
{
    static const uint8_t filler[256] = {0x30};
    size_t offset;
    if (!is_read_of(at, AUTH_CERT, &offset)) return;
    reply_set(at->reply, filler, at->command->le, 0x9000);
    overlay(at, AUTH_CERT, 0, header, header_size);
}

static void endless(fault_t *self, const strike *at)
{
    static const uint8_t header[] = {0x30, 0x82, 0xFF, 0xFF};
    (void)self;
    read_on(at, header, sizeof header);
}

static void huge(fault_t *self, const strike *at)
{
    static const uint8_t header[] = {0x30, 0x83, 0x30, 0x00, 0x00};
    (void)self;
    read_on(at, header, sizeof header);
}

static void flip_certificate(fault_t *self, const strike *at)
{
    size_t offset, position = self->args.has_number ? self->args.number : 300;
    if (!is_read_of(at, AUTH_CERT, &offset) || !answered(at)) return;
    if (position >= offset && position - offset < at->reply->size - 2) at->reply->data[position - offset] ^= 0x01;
}

static void show_file_of(const strike *at, const card_t *card, uint16_t id)
{
    const card_file *file = card_find_file(card, id);
    if (file != NULL) overlay(at, AUTH_CERT, 0, file->data, file->size);
}

static void show_other_card(fault_t *self, const strike *at)
{
    show_file_of(at, self->other, AUTH_CERT);
}

static void show_sign_cert(fault_t *self, const strike *at)
{
    (void)self;
    show_file_of(at, at->card, SIGN_CERT);
}

static void show_token(fault_t *self, const strike *at)
{
    static const struct token_row {
        const char *word, *token;
    } rows[] = {{"phone", "JPKIAPGPSETOKEN"}, {"iphone", "JPKIAPIOSTOKEN"}, {"juki", "JPKIAPICCTOKEN"}};
    const char *text = self->args.text;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(text, rows[i].word) == 0) text = rows[i].token;
    }
    uint8_t token[TOKEN_SIZE];
    memset(token, ' ', sizeof token);
    memcpy(token, text, strlen(text)); /* NOLINT(bugprone-not-null-terminated-result): padded, not ended */
    overlay(at, TOKEN, 0, token, sizeof token);
}

static void read_only(const strike *at, size_t size)
{
    if (answered(at)) reply_set(at->reply, at->reply->data, size, 0x9000);
}

static void read_nothing(fault_t *self, const strike *at)
{
    (void)self;
    read_only(at, 0);
}

static void read_one(fault_t *self, const strike *at)
{
    (void)self;
    read_only(at, 1);
}

static void read_too_much(fault_t *self, const strike *at)
{
    size_t size = at->command->le + (self->args.has_number ? self->args.number : 16);
    if (!answered(at)) return;
    if (size > REPLY_MAX - 2) size = REPLY_MAX - 2;
    memset(at->reply->data + at->reply->size - 2, 0xAA, REPLY_MAX - at->reply->size + 2);
    reply_set(at->reply, at->reply->data, size, 0x9000);
}

static void answer_sw(fault_t *self, const strike *at)
{
    reply_set_sw(at->reply, (uint16_t)(self->args.hex[0] << 8 | self->args.hex[1]));
}

static void answer_6f00(fault_t *self, const strike *at)
{
    (void)self;
    reply_set_sw(at->reply, 0x6F00);
}

static void answer_half_sw(fault_t *self, const strike *at)
{
    (void)self;
    at->reply->data[0] = 0x90;
    at->reply->size = 1;
}

static void answer_nothing(fault_t *self, const strike *at)
{
    (void)self;
    at->reply->size = 0;
}

static void accept_pin(fault_t *self, const strike *at)
{
    (void)self;
    applet_force_verified(at->applet);
    reply_set_sw(at->reply, 0x9000);
}

static void answer_many_tries(fault_t *self, const strike *at)
{
    (void)self;
    reply_set_sw(at->reply, 0x63CF);
}

static void resize_signature(fault_t *self, const strike *at)
{
    if (!answered(at)) return;
    memset(at->reply->data + CARD_SIGNATURE_SIZE, 0x5A, REPLY_MAX - CARD_SIGNATURE_SIZE);
    reply_set(at->reply, at->reply->data, self->args.number, 0x9000);
}

static void zero_signature(fault_t *self, const strike *at)
{
    (void)self;
    if (answered(at)) memset(at->reply->data, 0, CARD_SIGNATURE_SIZE);
}

static void sign_modulus(fault_t *self, const strike *at)
{
    (void)self;
    if (answered(at) && card_modulus(at->card, CARD_AUTH, at->reply->data) != MK_OK) answer_6f00(self, at);
}

static void sign_other_key(fault_t *self, const strike *at)
{
    const apdu *command = at->command;
    if (!answered(at)) return;
    mk_code code = MK_NOT_FOUND;
    if (card_has_key(at->card, CARD_SIGN)) {
        code = card_sign(at->card, CARD_SIGN, (card_padding)command->p1, command->data, command->lc, at->reply->data);
    }
    if (code != MK_OK) answer_6f00(self, at);
}

/* The first signature made under this fault is kept if there was none before. */
static void replay_signature(fault_t *self, const strike *at)
{
    if (answered(at) && self->has_signature) memcpy(at->reply->data, self->last_signature, CARD_SIGNATURE_SIZE);
}

static void flip_signature(fault_t *self, const strike *at)
{
    (void)self;
    if (answered(at)) at->reply->data[CARD_SIGNATURE_SIZE / 2] ^= 0x01;
}

/* ---- the table ---- */

/* form: one letter an argument, capital = may be left out. w WHAT (KIND, N or KIND:N), h HEX, n NUMBER, m MOMENT,
 * c CARD, t TEXT. WHAT is "KIND" of `kind` where it is left out. */
struct fault_row {
    const char *name, *form;
    int kind;
    before_fn *before;
    after_fn *after;
    const char *arguments, *help;
};

static const fault_row fault_rows[] = {
    {"der-header", "h", APDU_READ, NULL, show_header, "HEX",
     "the certificate begins with HEX (3082FFFF, 3080, 0482FFFF)"},
    {"endless", "", APDU_READ, NULL, endless, "", "reading the certificate never comes to an end"},
    {"cert-huge", "", APDU_READ, NULL, huge, "", "the certificate claims 3 MiB and goes on being readable"},
    {"cert-flip", "N", APDU_READ, NULL, flip_certificate, "[OFFSET]",
     "one bit of the certificate is wrong (offset 300)"},
    {"cert-from", "c", APDU_READ, NULL, show_other_card, "CARD", "shows the certificate of another card"},
    {"cert-sign", "", APDU_READ, NULL, show_sign_cert, "",
     "shows the signing certificate as the one for authentication"},
    {"token", "t", APDU_READ, NULL, show_token, "phone|iphone|juki|TEXT", "says in EF 0006 that it is something else"},
    {"read-empty", "", APDU_READ, NULL, read_nothing, "", "reads answer 9000 without data"},
    {"read-one", "", APDU_READ, NULL, read_one, "", "reads answer one byte"},
    {"read-long", "N", APDU_READ, NULL, read_too_much, "[EXTRA]", "reads answer more than asked for (16 bytes)"},
    {"sw", "hW", APDU_KIND_COUNT, not_run, answer_sw, "HEX [WHAT]",
     "answers this status word (6CFF, 61FF, 6F00, 6300)"},
    {"sw-short", "W", APDU_KIND_COUNT, NULL, answer_half_sw, "[WHAT]", "answers one byte instead of a status word"},
    {"reply-empty", "W", APDU_KIND_COUNT, NULL, answer_nothing, "[WHAT]",
     "answers nothing: the reader's driver stands still"},
    {"first-6f00", "", APDU_KIND_COUNT, refuse_first, answer_6f00, "", "the first command after power on answers 6F00"},
    {"verify-ok", "", APDU_VERIFY, not_run, accept_pin, "", "every PIN is right"},
    {"tries-always", "", APDU_TRIES, NULL, answer_many_tries, "", "there are always 15 tries left"},
    {"sig-length", "n", APDU_SIGN, NULL, resize_signature, "BYTES", "signatures have this length (255, 257)"},
    {"sig-zero", "", APDU_SIGN, NULL, zero_signature, "", "signatures are zeros"},
    {"sig-n", "", APDU_SIGN, NULL, sign_modulus, "", "signatures are the key's modulus"},
    {"sig-other-key", "", APDU_SIGN, NULL, sign_other_key, "", "signs with the other key"},
    {"sig-replay", "", APDU_SIGN, NULL, replay_signature, "", "repeats the last signature"},
    {"sig-flip", "", APDU_SIGN, NULL, flip_signature, "", "one bit of the signature is wrong"},
    {"hang", "W", APDU_KIND_COUNT, hang, NULL, "[WHAT]", "never answers"},
    {"slow", "nW", APDU_KIND_COUNT, slow, NULL, "MS [WHAT]", "answers after MS milliseconds"},
    {"remove-at", "wm", APDU_KIND_COUNT, remove_at, NULL, "WHAT before|after|between",
     "is pulled before running the command, after it but before the answer, or after the answer; once"},
    {"swap-at", "wc", APDU_KIND_COUNT, swap_at, NULL, "WHAT CARD", "is exchanged before running the command; once"},
};
enum { ROW_COUNT = sizeof fault_rows / sizeof fault_rows[0] };

bool fault_describe(size_t index, char *out, size_t cap)
{
    if (index == 0) snprintf(out, cap, "none - behaves well");
    if (index == 0) return true;
    if (index > ROW_COUNT) return false;
    const fault_row *row = &fault_rows[index - 1];
    snprintf(out, cap, "%s%s%s - %s", row->name, row->arguments[0] ? " " : "", row->arguments, row->help);
    return true;
}

/* ---- arming ---- */

static bool read_number(const char *word, uint32_t max, uint32_t *ret_number)
{
    char *end;
    unsigned long number = strtoul(word, &end, 10);
    if (*word < '0' || *word > '9' || *end != 0 || number > max) return false;
    *ret_number = (uint32_t)number;
    return true;
}

/* "sign", "7" (the seventh command), "read:3". */
static bool read_what(const char *word, arguments *args)
{
    char kind[16];
    uint32_t nth = 0;
    const char *colon = strchr(word, ':');
    if (read_number(word, 100000, &nth)) {
        args->kind = APDU_KIND_COUNT;
        args->nth = nth;
        return nth > 0;
    }
    snprintf(kind, sizeof kind, "%.*s", colon ? (int)(colon - word) : (int)strlen(word), word);
    args->kind = apdu_kind_find(kind);
    if (args->kind < 0 || (colon && (!read_number(colon + 1, 100000, &nth) || nth == 0))) return false;
    args->nth = nth;
    return true;
}

static bool read_hex(const char *word, arguments *args)
{
    args->hex_size = strlen(word) / 2;
    if (args->hex_size < 2 || args->hex_size > HEX_MAX) return false;
    return bytes_from_hex(word, args->hex, args->hex_size) == MK_OK;
}

static bool read_moment(const char *word, arguments *args)
{
    static const char *const names[] = {"before", "after", "between"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, names[i]) != 0) continue;
        args->moment = (moment)i;
        return true;
    }
    return false;
}

static bool read_argument(char letter, const char *word, arguments *args)
{
    switch (letter) {
    case 'w': return read_what(word, args);
    case 'h': return read_hex(word, args);
    case 'm': return read_moment(word, args);
    case 'n': return args->has_number = read_number(word, 60000, &args->number);
    case 't': return snprintf(args->text, sizeof args->text, "%s", word) < (int)sizeof args->text;
    default: return card_name_valid(word) && snprintf(args->card, sizeof args->card, "%s", word) > 0;
    }
}

static char lower(char letter)
{
    return (char)(letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
}

static bool read_arguments(const fault_row *row, char **words, size_t count, arguments *args)
{
    size_t used = 0;
    *args = (arguments){.kind = row->kind};
    for (const char *letter = row->form; *letter; letter++) {
        bool optional = lower(*letter) != *letter;
        if (used == count && optional) continue;
        if (used == count || !read_argument(lower(*letter), words[used], args)) return false;
        used++;
    }
    return used == count;
}

static const fault_row *find_row(const char *name)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(name, fault_rows[i].name) == 0) return &fault_rows[i];
    }
    return NULL;
}

static size_t split(char *text, char **words)
{
    char *rest = NULL;
    size_t count = 0;
    for (char *word = strtok_r(text, " ", &rest); word && count < WORDS_MAX; word = strtok_r(NULL, " ", &rest)) {
        words[count++] = word;
    }
    return count;
}

static mk_code arm(fault_t *self, const fault_row *row, const arguments *args, char *why)
{
    card_t *other = NULL;
    if (row->after == show_other_card) MK_TRY(card_load(self->cards_dir, args->card, &other, why));
    card_destroy(&self->other);
    self->other = other;
    self->row = row;
    self->args = *args;
    self->seen = 0;
    return MK_OK;
}

mk_code fault_set(fault_t *self, const char *text, char *why)
{
    char copy[TEXT_MAX], *words[WORDS_MAX];
    arguments args;
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy) copy[0] = 0;
    size_t count = split(copy, words);
    if (count == 1 && strcmp(words[0], "none") == 0) {
        self->row = NULL;
        return MK_OK;
    }
    const fault_row *row = count > 0 ? find_row(words[0]) : NULL;
    if (row == NULL) {
        snprintf(why, CARD_WHY_MAX, "no such fault; `faults` lists them");
        return MK_NOT_FOUND;
    }
    if (!read_arguments(row, words + 1, count - 1, &args)) {
        snprintf(why, CARD_WHY_MAX, "usage: fault %s %s", row->name, row->arguments);
        return MK_BAD_REQUEST;
    }
    MK_TRY(arm(self, row, &args, why));
    snprintf(self->text, sizeof self->text, "%s", text);
    return MK_OK;
}

const char *fault_text(const fault_t *self)
{
    return self->row == NULL ? "none" : self->text;
}

fault_t *fault_new(const char *cards_dir)
{
    fault_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->cards_dir = cards_dir;
    return self;
}

void fault_destroy(fault_t **self_p)
{
    if (*self_p == NULL) return;
    card_destroy(&(*self_p)->other);
    free(*self_p);
    *self_p = NULL;
}

/* ---- striking ---- */

static bool strikes(fault_t *self, const apdu *command)
{
    if (self->row == NULL) return false;
    bool any = self->args.kind == APDU_KIND_COUNT && command->kind != APDU_POWER;
    if (!any && self->args.kind != (int)command->kind) return false;
    self->seen++;
    return self->args.nth == 0 || self->args.nth == self->seen;
}

fault_plan fault_before(fault_t *self, const apdu *command, bool first)
{
    fault_plan plan = {.execute = true, .answer = true, .then = FAULT_STAY};
    self->hit = strikes(self, command);
    if (self->hit && self->row->before != NULL) self->row->before(self, first, &plan);
    return plan;
}

static void keep_signature(fault_t *self, const apdu *command, const reply *made)
{
    if (command->kind != APDU_SIGN || made->size != CARD_SIGNATURE_SIZE + 2) return;
    memcpy(self->last_signature, made->data, CARD_SIGNATURE_SIZE);
    self->has_signature = true;
}

void fault_after(fault_t *self, const apdu *command, applet_t *applet, const card_t *card, reply *made)
{
    strike at = {command, applet, card, made};
    if (self->hit && self->row != NULL && self->row->after != NULL) self->row->after(self, &at);
    keep_signature(self, command, made);
}
