/* SPDX-License-Identifier: Apache-2.0 */
/* Invites are secrets: they go to stdout or into a file of their own (0600), never into arguments or messages. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/text.h"
#include "proto/registry.pb-c.h"
#include "tools/mykeyctl/authority.h"
#include "tools/mykeyctl/csv.h"
#include "tools/mykeyctl/verbs.h"

enum {
    PAGE_SIZE = 64,
    ID_MAX = 64,
    INVITES_MAX = 10000,
    CSV_FILE_MAX = 4 * 1024 * 1024,
    CODE_SIZE = 26,
    TIME_SIZE = 24
};

typedef struct wanted {
    char owner[ID_MAX + 1]; /* operator id */
    char label[CSV_FIELD_MAX];
} wanted_t;

/* One verb runs in a process: its state is here. */
static struct {
    ctl_t *ctl;
    FILE *out;
    char fingerprint[2 * BYTES_SHA256_SIZE + 1];
    wanted_t *wanted;
    size_t count, next;
    char after[ID_MAX + 1]; /* the last id of the page before */
} state;

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static void format_time(uint64_t ms, char out[TIME_SIZE])
{
    struct tm parts;
    time_t seconds = (time_t)(ms / 1000);
    out[0] = 0;
    if (ms > 0 && gmtime_r(&seconds, &parts) != NULL) strftime(out, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

/* ---- invite: what is wanted ---- */

static bool want(const char *owner, const char *label)
{
    bool fits =
        text_is_made_of(owner, TEXT_ID, 1, 32) && text_is_utf8(label, strlen(label)) && strlen(label) < CSV_FIELD_MAX;
    if (!fits || state.count == INVITES_MAX) return false;
    state.wanted = realloc(state.wanted, (state.count + 1) * sizeof *state.wanted);
    if (state.wanted == NULL) abort();
    wanted_t *added = &state.wanted[state.count++];
    snprintf(added->owner, sizeof added->owner, "%s", owner);
    snprintf(added->label, sizeof added->label, "%s", label);
    return true;
}

static char *read_csv(ctl_t *ctl, const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = file == NULL ? NULL : calloc(1, CSV_FILE_MAX + 1);
    if (text == NULL) {
        ctl_complain(ctl, "%s: %s", path, strerror(errno));
        if (file != NULL) fclose(file);
        return NULL;
    }
    size_t size = fread(text, 1, CSV_FILE_MAX, file);
    fclose(file);
    if (size < CSV_FILE_MAX && text_is_utf8(text, size)) return text;
    ctl_complain(ctl, "%s: not UTF-8 text below 4 MiB", path);
    free(text);
    return NULL;
}

static bool is_header(const csv_row *row)
{
    return row->line == 1 && strcmp(row->fields[0], "operator") == 0;
}

static const char *skip_mark(const char *text)
{
    return strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? text + 3 : text;
}

/* All rows are checked before the first invite is made. */
static bool want_rows(ctl_t *ctl, const char *path)
{
    csv_row row;
    char *text = read_csv(ctl, path);
    if (text == NULL) return false;
    csv_t rows = {skip_mark(text), 0};
    mk_code code;
    while ((code = csv_next(&rows, &row)) == MK_OK) {
        if (is_header(&row)) continue;
        if (row.count > 2 || !want(row.fields[0], row.count == 2 ? row.fields[1] : "")) break;
    }
    free(text);
    if (code == MK_NOT_FOUND && state.count > 0) return true;
    if (code == MK_NOT_FOUND) ctl_complain(ctl, "%s: no rows", path);
    if (code != MK_NOT_FOUND)
        ctl_complain(ctl, "%s line %u: operator,label is wanted (at most 10000 rows)", path, row.line);
    return false;
}

static bool gather(ctl_t *ctl)
{
    const args_t *args = ctl_args(ctl);
    const char *owner = ctl_word(ctl, 0);
    if ((owner == NULL) == (args->csv == NULL) || (args->csv && args->label)) {
        ctl_complain(ctl, "give either an operator (and --label TEXT) or --csv FILE");
        return false;
    }
    if (args->csv != NULL) return want_rows(ctl, args->csv);
    if (want(owner, args->label ? args->label : "")) return true;
    ctl_complain(ctl, "%s: not an operator's id, or the label is too long", owner);
    return false;
}

static bool read_fingerprint(ctl_t *ctl)
{
    uint8_t hash[BYTES_SHA256_SIZE];
    const char *why = "", *path = ctl_args(ctl)->authority;
    if (path == NULL) {
        ctl_complain(ctl, "--authority FILE is missing: the certificate of the terminal authority, whose fingerprint "
                          "goes into the invite");
        return false;
    }
    if (authority_fingerprint(path, hash, &why) != MK_OK) {
        ctl_complain(ctl, "%s: %s", path, why);
        return false;
    }
    bytes_to_hex(hash, sizeof hash, state.fingerprint);
    return true;
}

static bool open_out(ctl_t *ctl)
{
    const char *path = ctl_args(ctl)->out;
    state.out = stdout;
    if (path == NULL) return true;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    state.out = fd < 0 ? NULL : fdopen(fd, "w");
    if (state.out == NULL) ctl_complain(ctl, "%s: %s", path, strerror(errno));
    return state.out != NULL;
}

/* ---- invite: one after the other ---- */

static void print_csv(const wanted_t *wanted, const Mykey__Registry__InviteReply *reply, const char *invite)
{
    char expires[TIME_SIZE];
    format_time(reply->expires_at_ms, expires);
    const char *fields[] = {wanted->owner, wanted->label, or_empty(reply->terminal_id), invite, expires};
    if (state.next == 0) fputs("operator,label,terminal,invite,expires\r\n", state.out);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (i > 0) fputc(',', state.out);
        csv_print(fields[i], state.out);
    }
    fputs("\r\n", state.out);
}

static void print_json(const wanted_t *wanted, const Mykey__Registry__InviteReply *reply, const char *invite)
{
    json_t *value =
        json_pack("{s:s,s:s,s:s,s:s,s:I}", "operator", wanted->owner, "label", wanted->label, "terminal",
                  or_empty(reply->terminal_id), "invite", invite, "expires_at_ms", (json_int_t)reply->expires_at_ms);
    json_dumpf(value, state.out, JSON_COMPACT);
    fputc('\n', state.out);
    json_decref(value);
}

static void print_invite(const Mykey__Registry__InviteReply *reply)
{
    char invite[CODE_SIZE + 1 + sizeof state.fingerprint];
    const wanted_t *wanted = &state.wanted[state.next];
    snprintf(invite, sizeof invite, "%.*s.%s", CODE_SIZE, or_empty(reply->code), state.fingerprint);
    if (ctl_args(state.ctl)->json) {
        print_json(wanted, reply, invite);
    } else if (ctl_args(state.ctl)->csv != NULL) {
        print_csv(wanted, reply, invite);
    } else {
        fprintf(state.out, "%s\n", invite);
    }
    bytes_wipe(invite, sizeof invite);
}

static void end_invites(void)
{
    free(state.wanted);
    bool written = fflush(state.out) == 0 && !ferror(state.out);
    if (state.out != stdout) written = fclose(state.out) == 0 && written;
    if (!written)
        ctl_complain(state.ctl, "the invites can't all be written (is the disk full?); those missing are lost");
    if (state.out != stdout && state.next == 0) unlink(ctl_args(state.ctl)->out); /* no invite: it may be tried again */
    ctl_finish(state.ctl, CTL_OK);
}

static void ask_invite(void);

static void on_invite(mk_code code, const char *detail, const ProtobufCMessage *reply, void *arg)
{
    (void)arg;
    if (code != MK_OK) {
        ctl_complain_code(state.ctl, state.wanted[state.next].owner, code, detail);
        if (state.count > 1) ctl_complain(state.ctl, "%zu of %zu invites were made", state.next, state.count);
        end_invites();
        return;
    }
    print_invite((const Mykey__Registry__InviteReply *)reply);
    if (++state.next < state.count) {
        ask_invite();
    } else {
        end_invites();
    }
}

static void ask_invite(void)
{
    wanted_t *wanted = &state.wanted[state.next];
    Mykey__Registry__InviteRequest request = MYKEY__REGISTRY__INVITE_REQUEST__INIT;
    request.operator_id = wanted->owner;
    request.label = wanted->label[0] ? wanted->label : NULL;
    ctl_call call = {"registry", "Invite", &request.base, &mykey__registry__invite_reply__descriptor, false};
    ctl_send(state.ctl, &call, on_invite, NULL);
}

void terminal_invite(ctl_t *ctl)
{
    state.ctl = ctl;
    if (!gather(ctl) || !read_fingerprint(ctl) || !open_out(ctl)) {
        free(state.wanted);
        ctl_finish(ctl, CTL_FAILED);
        return;
    }
    ask_invite();
}

/* ---- list ---- */

static void ask_page(void);

static const char *state_name(const Mykey__Registry__Terminal *terminal)
{
    static const char *const names[] = {"?", "active", "revoked"};
    unsigned value = (unsigned)terminal->state;
    return names[value < 3 ? value : 0];
}

static void print_terminal(const Mykey__Registry__Terminal *terminal)
{
    char until[TIME_SIZE];
    format_time(terminal->not_after_ms, until);
    if (ctl_args(state.ctl)->json) {
        ctl_print_json(json_pack("{s:s,s:s,s:s,s:I}", "terminal", or_empty(terminal->terminal_id), "operator",
                                 or_empty(terminal->operator_id), "state", state_name(terminal), "not_after_ms",
                                 (json_int_t)terminal->not_after_ms));
        return;
    }
    printf("%-20s  %-32s  %-8s  %s\n", or_empty(terminal->terminal_id), or_empty(terminal->operator_id),
           state_name(terminal), until[0] ? until : "no certificate yet");
}

static void on_page(mk_code code, const char *detail, const ProtobufCMessage *message, void *arg)
{
    const Mykey__Registry__ListTerminalsReply *reply = (const Mykey__Registry__ListTerminalsReply *)message;
    (void)arg;
    if (code != MK_OK) ctl_complain_code(state.ctl, "terminals", code, detail);
    for (size_t i = 0; code == MK_OK && i < reply->n_terminals; i++) print_terminal(reply->terminals[i]);
    if (code != MK_OK || reply->n_terminals < PAGE_SIZE) {
        ctl_finish(state.ctl, CTL_OK);
        return;
    }
    snprintf(state.after, sizeof state.after, "%s", or_empty(reply->terminals[PAGE_SIZE - 1]->terminal_id));
    ask_page();
}

static void ask_page(void)
{
    Mykey__Registry__ListTerminalsRequest request = MYKEY__REGISTRY__LIST_TERMINALS_REQUEST__INIT;
    request.after = state.after;
    request.operator_id = (char *)(uintptr_t)or_empty(ctl_word(state.ctl, 0));
    ctl_call call = {"registry", "ListTerminals", &request.base, &mykey__registry__list_terminals_reply__descriptor,
                     true};
    ctl_send(state.ctl, &call, on_page, NULL);
}

void terminal_list(ctl_t *ctl)
{
    state.ctl = ctl;
    ask_page();
}

/* ---- revoke ---- */

static void on_revoked(mk_code code, const char *detail, const ProtobufCMessage *reply, void *arg)
{
    (void)reply, (void)arg;
    if (code != MK_OK) ctl_complain_code(state.ctl, ctl_word(state.ctl, 0), code, detail);
    if (code == MK_OK && ctl_args(state.ctl)->json)
        ctl_print_json(json_pack("{s:s}", "revoked", ctl_word(state.ctl, 0)));
    ctl_finish(state.ctl, CTL_OK);
}

void terminal_revoke(ctl_t *ctl)
{
    Mykey__Registry__RevokeTerminalRequest request = MYKEY__REGISTRY__REVOKE_TERMINAL_REQUEST__INIT;
    state.ctl = ctl;
    request.terminal_id = (char *)(uintptr_t)ctl_word(ctl, 0);
    ctl_call call = {"registry", "RevokeTerminal", &request.base, NULL, true};
    ctl_send(ctl, &call, on_revoked, NULL);
}
