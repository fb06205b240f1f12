/* SPDX-License-Identifier: Apache-2.0 */
/* The invites that are wanted: every row or none, and what is printed of them is read as the same operators and labels
 * again. */
#include "tests/fuzz/csv.h"

#include "tests/fuzz/fuzz.h"

enum { ROOM = 64 * 1024 };

#define calloc(count, size) calloc(count, (size) < ROOM ? (size) : ROOM) /* 4 MiB for a file take their time */
#include "tools/mykeyctl/verb_terminal.c"
#undef calloc

static unsigned complaints;

void ctl_complain(ctl_t *self, const char *format, ...)
{
    (void)self, (void)format;
    complaints++;
}

void ctl_complain_code(ctl_t *self, const char *what, mk_code code, const char *detail)
{
    (void)self, (void)what, (void)code, (void)detail;
    abort(); /* nothing is called */
}

const args_t *ctl_args(const ctl_t *self)
{
    static const args_t args;
    (void)self;
    return &args;
}

const char *ctl_word(const ctl_t *self, size_t index)
{
    (void)self, (void)index;
    return NULL;
}

void ctl_finish(ctl_t *self, ctl_exit status)
{
    (void)self, (void)status;
    abort();
}

void ctl_print_json(json_t *value)
{
    json_decref(value);
}

void ctl_send(ctl_t *self, const ctl_call *call, ctl_reply_fn *fn, void *arg)
{
    (void)self, (void)call, (void)fn, (void)arg;
    abort();
}

static char *print_all(void)
{
    static char terminal[] = "t-1", code[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    Mykey__Registry__InviteReply reply = MYKEY__REGISTRY__INVITE_REPLY__INIT;
    char *text = NULL;
    size_t size = 0;
    reply.terminal_id = terminal;
    reply.code = code;
    state.out = open_memstream(&text, &size);
    HOLDS(state.out != NULL);
    for (state.next = 0; state.next < state.count; state.next++)
        print_csv(&state.wanted[state.next], &reply, "ABC.def");
    HOLDS(fclose(state.out) == 0);
    return text;
}

static bool fits_again(void)
{
    for (size_t i = 0; i < state.count; i++)
        if (strlen(state.wanted[i].label) >= CSV_FIELD_MAX - 2) return false; /* an apostrophe may come in front */
    return true;
}

static void check_again(void)
{
    char *text = print_all();
    csv_t rows = {text, 0};
    csv_row row;
    HOLDS(csv_next(&rows, &row) == MK_OK && is_header(&row) && row.count == 5);
    for (size_t i = 0; i < state.count; i++) {
        const wanted_t *wanted = &state.wanted[i];
        HOLDS(csv_next(&rows, &row) == MK_OK && row.count == 5);
        csv_check_field(wanted->owner, row.fields[0]);
        csv_check_field(wanted->label, row.fields[1]);
        HOLDS(strcmp(row.fields[2], "t-1") == 0 && strcmp(row.fields[3], "ABC.def") == 0);
    }
    HOLDS(csv_next(&rows, &row) == MK_NOT_FOUND);
    free(text);
}

/* What is wanted is what each row says, header aside. */
static void check_rows(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    csv_t rows = {skip_mark(text), 0};
    csv_row row;
    size_t count = 0;
    for (; csv_next(&rows, &row) == MK_OK; count += !is_header(&row)) {
        if (is_header(&row)) continue;
        HOLDS(row.count <= 2 && count < state.count && strcmp(row.fields[0], state.wanted[count].owner) == 0);
        HOLDS(strcmp(row.count == 2 ? row.fields[1] : "", state.wanted[count].label) == 0);
    }
    HOLDS(count == state.count);
    free(text);
}

void csv_want_invites(const uint8_t *data, size_t size)
{
    complaints = 0;
    if (size >= ROOM) return;
    if (want_rows(NULL, fuzz_file(data, size))) {
        HOLDS(complaints == 0 && state.count >= 1 && state.count <= INVITES_MAX);
        for (size_t i = 0; i < state.count; i++) {
            HOLDS(text_is_made_of(state.wanted[i].owner, TEXT_ID, 1, 32));
            HOLDS(text_is_utf8(state.wanted[i].label, strlen(state.wanted[i].label)));
        }
        check_rows(data, size);
        if (fits_again()) check_again();
    } else {
        HOLDS(complaints == 1);
    }
    free(state.wanted);
    memset(&state, 0, sizeof state);
}
