/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/terminal.h"

#include <sys/queue.h>

#include "common/base/text.h"
#include "common/pb/pb.h"
#include "services/gateway/bytemap.h"

_Static_assert((int)TERMINAL_SHA256_SIZE == (int)BYTEMAP_KEY_SIZE, "hashes are keys");

struct terminal {
    unsigned refs;
    Mykey__Registry__FindTerminalReply *reply;
};

typedef struct waiter {
    terminal_found_fn *fn;
    void *arg;
    STAILQ_ENTRY(waiter) next;
} waiter_t;

/* A certificate that is being asked for, or the answer while it is remembered. */
struct terminal_question {
    uint8_t sha256[TERMINAL_SHA256_SIZE];
    terminal_table_t *table;
    uint64_t asked_at_ms;
    bool answered;
    mk_code code;
    terminal_t *terminal; /* if code is OK */
    STAILQ_HEAD(, waiter) waiters;
    TAILQ_ENTRY(terminal_question) in_table;
};

struct terminal_table {
    size_t max;
    terminal_ask_fn *ask;
    void *arg;
    zhashx_t *by_sha256;
    TAILQ_HEAD(, terminal_question) questions; /* oldest first */
};

/* ---- a terminal ---- */

static terminal_t *terminal_new(Mykey__Registry__FindTerminalReply *reply)
{
    terminal_t *self = zmalloc(sizeof *self);
    self->refs = 1;
    self->reply = reply;
    return self;
}

terminal_t *terminal_ref(terminal_t *self)
{
    self->refs++;
    return self;
}

void terminal_unref(terminal_t **self_p)
{
    terminal_t *self = *self_p;
    *self_p = NULL;
    if (self == NULL || --self->refs > 0) return;
    pb_free(&self->reply->base);
    free(self);
}

const char *terminal_id(const terminal_t *self)
{
    return self->reply->terminal->terminal_id;
}

const char *terminal_operator_id(const terminal_t *self)
{
    return self->reply->terminal->operator_id;
}

const uint8_t *terminal_key_sha256(const terminal_t *self)
{
    return self->reply->terminal->key_sha256.data;
}

const Mykey__Registry__Operator *terminal_operator(const terminal_t *self)
{
    return self->reply->operator_;
}

/* ---- the registry's answer ---- */

static bool good_id(const char *id)
{
    return id != NULL && text_is_made_of(id, TEXT_ID, 1, 32);
}

static mk_code judge_reply(const Mykey__Registry__FindTerminalReply *reply)
{
    MK_ENSURE(reply != NULL && reply->terminal != NULL, MK_INTERNAL);
    MK_ENSURE(reply->terminal->state != MYKEY__REGISTRY__TERMINAL_STATE__TERMINAL_STATE_REVOKED, MK_TERMINAL_REVOKED);
    MK_ENSURE(reply->terminal->state == MYKEY__REGISTRY__TERMINAL_STATE__TERMINAL_STATE_ACTIVE, MK_INTERNAL);
    MK_ENSURE(good_id(reply->terminal->terminal_id) && good_id(reply->terminal->operator_id), MK_INTERNAL);
    MK_ENSURE(reply->terminal->key_sha256.len == 32 && reply->operator_ != NULL, MK_INTERNAL);
    return MK_OK;
}

/* What the terminal is told. */
static mk_code judge(mk_code code, const Mykey__Registry__FindTerminalReply *reply)
{
    switch (code) {
    case MK_OK: return judge_reply(reply);
    case MK_NOT_FOUND: return MK_TERMINAL_UNKNOWN;
    case MK_NO_WORKERS: return MK_UNAVAILABLE;
    case MK_TERMINAL_UNKNOWN:
    case MK_TERMINAL_REVOKED:
    case MK_BUSY:
    case MK_UNAVAILABLE:
    case MK_DEADLINE_EXCEEDED: return code;
    default: return MK_INTERNAL; /* it is not this terminal's fault */
    }
}

static bool is_remembered(mk_code code)
{
    return code == MK_OK || code == MK_TERMINAL_UNKNOWN || code == MK_TERMINAL_REVOKED;
}

/* ---- the table ---- */

terminal_table_t *terminal_table_new(size_t max, terminal_ask_fn *ask, void *arg)
{
    terminal_table_t *self = zmalloc(sizeof *self);
    self->max = max;
    self->ask = ask;
    self->arg = arg;
    self->by_sha256 = bytemap_new();
    TAILQ_INIT(&self->questions);
    return self;
}

static void question_remove(terminal_question_t *question)
{
    terminal_table_t *table = question->table;
    zhashx_delete(table->by_sha256, question->sha256);
    TAILQ_REMOVE(&table->questions, question, in_table);
    waiter_t *waiter;
    while ((waiter = STAILQ_FIRST(&question->waiters)) != NULL) {
        STAILQ_REMOVE_HEAD(&question->waiters, next);
        free(waiter);
    }
    terminal_unref(&question->terminal);
    free(question);
}

void terminal_table_destroy(terminal_table_t **self_p)
{
    terminal_table_t *self = *self_p;
    if (self == NULL) return;
    while (!TAILQ_EMPTY(&self->questions)) question_remove(TAILQ_FIRST(&self->questions));
    zhashx_destroy(&self->by_sha256);
    free(self);
    *self_p = NULL;
}

/* Forgets what is too old and, beyond max, the oldest; what is being asked for stays. */
static void forget_old(terminal_table_t *self, uint64_t now_ms)
{
    terminal_question_t *next;
    for (terminal_question_t *q = TAILQ_FIRST(&self->questions); q != NULL; q = next) {
        next = TAILQ_NEXT(q, in_table);
        bool old = now_ms >= q->asked_at_ms + TERMINAL_MEMORY_MS;
        if (!old && zhashx_size(self->by_sha256) < self->max) return;
        if (q->answered) question_remove(q);
    }
}

static void question_add_waiter(terminal_question_t *question, terminal_found_fn *fn, void *arg)
{
    waiter_t *waiter = zmalloc(sizeof *waiter);
    waiter->fn = fn;
    waiter->arg = arg;
    STAILQ_INSERT_TAIL(&question->waiters, waiter, next);
}

static terminal_question_t *question_new(terminal_table_t *self, const uint8_t *sha256, uint64_t now_ms)
{
    terminal_question_t *question = zmalloc(sizeof *question);
    memcpy(question->sha256, sha256, TERMINAL_SHA256_SIZE);
    question->table = self;
    question->asked_at_ms = now_ms;
    STAILQ_INIT(&question->waiters);
    TAILQ_INSERT_TAIL(&self->questions, question, in_table);
    zhashx_insert(self->by_sha256, question->sha256, question);
    return question;
}

void terminal_table_find(terminal_table_t *self, const uint8_t sha256[TERMINAL_SHA256_SIZE], uint64_t now_ms,
                         terminal_found_fn *fn, void *arg)
{
    forget_old(self, now_ms);
    terminal_question_t *question = zhashx_lookup(self->by_sha256, sha256);
    if (question != NULL && question->answered) {
        fn(question->code, question->terminal, 0, arg);
        return;
    }
    bool is_new = question == NULL;
    if (is_new) question = question_new(self, sha256, now_ms);
    question_add_waiter(question, fn, arg);
    if (is_new) self->ask(question, question->sha256, self->arg);
}

/* A waiter may look up again from inside, so the question is kept out of its reach until all have been told. */
void terminal_table_answer(terminal_question_t *question, mk_code code, uint32_t retry_after_ms,
                           Mykey__Registry__FindTerminalReply *reply)
{
    question->code = judge(code, reply);
    if (question->code == MK_OK) question->terminal = terminal_new(reply);
    if (question->code != MK_OK && reply != NULL) pb_free(&reply->base);
    waiter_t *waiter;
    while ((waiter = STAILQ_FIRST(&question->waiters)) != NULL) {
        STAILQ_REMOVE_HEAD(&question->waiters, next);
        waiter->fn(question->code, question->terminal, retry_after_ms, waiter->arg);
        free(waiter);
    }
    question->answered = true;
    if (!is_remembered(question->code)) question_remove(question);
}

size_t terminal_table_size(const terminal_table_t *self)
{
    return zhashx_size(self->by_sha256);
}
