/* SPDX-License-Identifier: Apache-2.0 */
/* MyKey IDs: create, show, change, delete, suspend, resume; pairwise pseudonyms. */
#include <string.h>

#include "common/base/bytes.h"
#include "common/log/log.h"
#include "common/tap/tap.h"
#include "services/registry/act.h"
#include "services/registry/ident.h"

enum { CANDIDATES = 4, TERMS_VERSION_MAX = 16 };

static db_array_t *make_candidates(void)
{
    db_array_t *candidates = db_array_new(DB_ARRAY_TEXT);
    for (unsigned i = 0; i < CANDIDATES; i++) {
        char mykey_id[IDENT_MYKEY_SIZE + 1];
        ident_make_mykey_id(mykey_id);
        db_array_add(candidates, mykey_id, IDENT_MYKEY_SIZE);
    }
    return candidates;
}

/* NOT_FOUND: no such version of the key. */
static mk_code hash_suspend_code(const registry_t *registry, uint32_t version, const char *code, uint8_t out[32])
{
    return keyring_mac(registry->suspend_keys, version, (const uint8_t *)code, IDENT_SUSPEND_SIZE, out);
}

/* ---- create ---- */

static void on_created(call_t *call, const PGresult *rows)
{
    Mykey__Registry__CreateIdReply reply = MYKEY__REGISTRY__CREATE_ID_REPLY__INIT;
    reply.mykey_id = db_text(rows, 0, 1);
    reply.suspend_code = call->text;
    call_reply(call, MK_OK, &reply.base);
}

static mk_code check_terms(call_t *call, const char *terms_version)
{
    uint8_t object[32];
    size_t size = strlen(terms_version);
    if (size < 1 || size > TERMS_VERSION_MAX) return call_refuse(call, MK_BAD_REQUEST, "terms_version");
    tap_object_terms(terms_version, object);
    MK_TRY(call_check_object(call, object));
    return strcmp(terms_version, registry_terms_version()) == 0 ? MK_OK : MK_TERMS_OUTDATED;
}

mk_code create_id_start(call_t *call)
{
    const Mykey__Registry__CreateIdRequest *request = (const Mykey__Registry__CreateIdRequest *)call->message;
    MK_TRY(check_terms(call, or_empty(request->terms_version)));
    uint8_t holder[16], suspend_hash[32];
    bytes_random(holder, sizeof holder);
    ident_make_suspend_code(call->text);
    MK_TRY(hash_suspend_code(call->registry, keyring_newest(call->registry->suspend_keys), call->text, suspend_hash));
    db_array_t *candidates = make_candidates();
    params_t params = {.count = 0};
    params_bytes(&params, call->ticket->credential_id.data, call->ticket->credential_id.len);
    params_number(&params, call->ticket->credential_key_version);
    params_text(&params, call->ticket->audience);
    act_add_request(call, &params);
    params_bytes(&params, holder, sizeof holder);
    params_array(&params, candidates);
    params_bytes(&params, suspend_hash, sizeof suspend_hash);
    call_query(call, STATEMENT_CREATE_ID, params.list, on_created);
    db_array_destroy(&candidates);
    return MK_OK;
}

/* ---- show, change ---- */

static void on_shown(call_t *call, const PGresult *rows)
{
    Mykey__Registry__ShowIdReply reply = MYKEY__REGISTRY__SHOW_ID_REPLY__INIT;
    reply.mykey_id = db_text(rows, 0, 1);
    call_reply(call, MK_OK, &reply.base);
}

mk_code show_id_start(call_t *call)
{
    MK_TRY(call_check_object(call, NULL));
    params_t params = {.count = 0};
    params_bytes(&params, call->ticket->credential_id.data, call->ticket->credential_id.len);
    params_text(&params, call->ticket->audience);
    call_query(call, STATEMENT_SHOW_ID, params.list, on_shown);
    return MK_OK;
}

static void on_changed(call_t *call, const PGresult *rows)
{
    Mykey__Registry__ChangeIdReply reply = MYKEY__REGISTRY__CHANGE_ID_REPLY__INIT;
    reply.mykey_id = db_text(rows, 0, 1);
    call_reply(call, MK_OK, &reply.base);
}

mk_code change_id_start(call_t *call)
{
    MK_TRY(call_check_object(call, NULL));
    db_array_t *candidates = make_candidates();
    params_t params = {.count = 0};
    act_add(call, &params);
    params_array(&params, candidates);
    call_query(call, STATEMENT_CHANGE_ID, params.list, on_changed);
    db_array_destroy(&candidates);
    return MK_OK;
}

/* ---- delete ---- */

/* The log says that the holder is gone and the database does not: the replay makes it so. */
static void on_delete_failed(call_t *call)
{
    replay_soon(call->registry->replay);
}

/* The log is written before the row is removed: whatever dies in between, the deletion is carried out. */
static void on_delete_checked(call_t *call, const PGresult *rows)
{
    size_t size;
    const uint8_t *holder = db_bytes(rows, 0, 1, &size);
    if (size != 16) {
        call_reply(call, MK_OK, NULL);
        return;
    }
    if (deletion_log_append(call->registry->deletions, holder) != MK_OK) {
        log_error("deletion_log_failed", LOG_TEXT(FILE, deletion_log_path(call->registry->deletions)));
        call_reply(call, MK_UNAVAILABLE, NULL);
        return;
    }
    params_t params = {.count = 0};
    params_bytes(&params, holder, size);
    act_add_request(call, &params);
    call->on_failed = on_delete_failed;
    call_query(call, STATEMENT_DELETE_HOLDER, params.list, NULL);
}

mk_code delete_id_start(call_t *call)
{
    return act_start(call, STATEMENT_DELETE_CHECK, on_delete_checked);
}

/* ---- suspend, resume ---- */

mk_code resume_id_start(call_t *call)
{
    return act_start(call, STATEMENT_RESUME_ID, NULL);
}

/* Someone is guessing, or a clerk needs help: both are for people to look at. */
static void on_suspend_failed(call_t *call)
{
    const Mykey__Registry__SuspendRequest *request = (const Mykey__Registry__SuspendRequest *)call->message;
    log_warn("suspend_refused", LOG_TEXT(OPERATOR, request->operator_id), LOG_TEXT(TERMINAL, request->terminal_id));
}

mk_code suspend_start(call_t *call)
{
    const Mykey__Registry__SuspendRequest *request = (const Mykey__Registry__SuspendRequest *)call->message;
    char code[IDENT_SUSPEND_SIZE + 1];
    MK_ENSURE(ident_read_suspend_code(or_empty(request->suspend_code), code) == MK_OK, MK_SUSPEND_CODE_WRONG);
    db_array_t *hashes = db_array_new(DB_ARRAY_BYTEA);
    const keyring_t *keys = call->registry->suspend_keys;
    for (uint32_t version = keyring_newest(keys); version > 0; version = keyring_older(keys, version)) {
        uint8_t hash[32];
        if (hash_suspend_code(call->registry, version, code, hash) != MK_OK) continue; /* each is in the file */
        db_array_add(hashes, hash, sizeof hash);
    }
    bytes_wipe(code, sizeof code);
    params_t params = {.count = 0};
    params_text(&params, request->operator_id);
    params_text(&params, request->terminal_id);
    params_array(&params, hashes);
    call->on_failed = on_suspend_failed;
    call_query(call, STATEMENT_SUSPEND, params.list, NULL);
    db_array_destroy(&hashes);
    return MK_OK;
}

/* ---- pseudonym ---- */

static void on_pseudonym(call_t *call, const PGresult *rows)
{
    Mykey__Registry__PseudonymReply reply = MYKEY__REGISTRY__PSEUDONYM_REPLY__INIT;
    reply.has_pseudonym = 1;
    reply.pseudonym.data = db_bytes(rows, 0, 1, &reply.pseudonym.len);
    call_reply(call, MK_OK, &reply.base);
}

static bool is_party(const char *caller)
{
    return strcmp(caller, "points") == 0 || strcmp(caller, "feed-import") == 0;
}

mk_code pseudonym_start(call_t *call)
{
    const char *caller = bus_job_caller(call->job);
    uint8_t candidate[16];
    MK_ENSURE(is_party(caller), MK_DENIED);
    bytes_random(candidate, sizeof candidate);
    params_t params = {.count = 0};
    params_bytes(&params, call->ticket->credential_id.data, call->ticket->credential_id.len);
    params_text(&params, caller);
    params_bytes(&params, candidate, sizeof candidate);
    call_query(call, STATEMENT_PSEUDONYM, params.list, on_pseudonym);
    return MK_OK;
}
