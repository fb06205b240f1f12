/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/pb/pb.h"
#include "proto/terminal.pb-c.h"
#include "services/gateway/route.h"

enum { RETRY_DEFAULT_MS = 1000 };

struct request {
    gateway_t *gateway;
    const route_t *route; /* NULL: no such path */
    request_answered_fn *answered;
    void *arg;
    uint64_t began_us;
    char trace[REQUEST_TRACE_SIZE];
    char traceparent[64];
    const char *purpose;
    void *state;

    bool has_client;
    uint8_t client_sha256[TERMINAL_SHA256_SIZE];
    uint8_t *body;
    size_t body_size;
    ProtobufCMessage *message;
    terminal_t *terminal;

    bool entered; /* admission_leave is due */
    admission_terminal_t *admitted;

    mk_code code;
    bool is_answered, is_running;
    uint8_t *answer;
    size_t answer_size;
    uint32_t retry_after_ms;
};

/* ---- answering ---- */

static void leave(request_t *self)
{
    if (self->admitted != NULL) admission_leave_terminal(self->admitted, self->route->admission);
    if (self->entered) admission_leave(self->gateway->admission);
    self->admitted = NULL;
    self->entered = false;
}

static const char *path_label(const request_t *self)
{
    return self->route == NULL ? "other" : self->route->path;
}

static void count(const request_t *self)
{
    double seconds = (double)(clock_mono_us() - self->began_us) / 1e6;
    metric_add(self->gateway->stats.requests, 1, path_label(self), mk_code_name(self->code), NULL, NULL);
    metric_observe(self->gateway->stats.duration, seconds, path_label(self), NULL, NULL, NULL);
    if (self->purpose != NULL) {
        metric_add(self->gateway->stats.taps, 1, self->purpose, mk_code_name(self->code), NULL, NULL);
    }
}

/* One line for a fault of ours or a refused tap, none for the rest. */
static void log_refusal(const request_t *self, const char *detail)
{
    if (self->code == MK_INTERNAL) {
        log_error("request_failed", LOG_TEXT(METHOD, path_label(self)), LOG_TEXT(CODE, mk_code_name(self->code)),
                  LOG_TEXT(DETAIL, detail), LOG_TEXT(PURPOSE, self->purpose), LOG_TEXT(TRACE, self->trace));
    } else if (self->purpose != NULL) {
        log_info("tap_refused", LOG_TEXT(PURPOSE, self->purpose), LOG_TEXT(CODE, mk_code_name(self->code)),
                 LOG_TEXT(DETAIL, detail), LOG_TEXT(TRACE, self->trace));
    }
}

static void finish(request_t *self, mk_code code, const ProtobufCMessage *message)
{
    assert(!self->is_answered);
    self->code = code;
    self->answer = pb_pack(message, &self->answer_size);
    self->is_answered = true;
    leave(self);
    count(self);
    if (!self->is_running) self->answered(self->arg);
}

void request_answer(request_t *self, const ProtobufCMessage *message)
{
    finish(self, MK_OK, message);
}

static uint32_t retry_after(const mk_code_info *info, uint32_t retry_after_ms)
{
    if (!info->retryable) return 0;
    if (retry_after_ms > 0) return retry_after_ms;
    bool at_once = info->http_status == 409 || info->http_status == 403; /* with a new challenge */
    return at_once ? 0 : RETRY_DEFAULT_MS;
}

/* From inside the server's own call: it looks at the answer itself. */
static void refuse_at_once(request_t *self, mk_code code, const char *detail)
{
    self->is_running = true;
    request_fail(self, code, detail, 0);
    self->is_running = false;
}

void request_fail(request_t *self, mk_code code, const char *detail, uint32_t retry_after_ms)
{
    const mk_code_info *info = mk_code_find(code);
    if (detail != NULL && detail[0] == '\0') detail = NULL;
    self->code = info->code;
    self->retry_after_ms = retry_after(info, retry_after_ms);
    log_refusal(self, detail);
    Mykey__Terminal__ErrorBody body = MYKEY__TERMINAL__ERROR_BODY__INIT;
    body.has_code = true;
    body.code = info->code;
    body.name = (char *)info->name;
    body.message_en = (char *)info->text_en;
    body.message_ja = (char *)info->text_ja;
    body.detail = (char *)detail;
    body.incident = self->trace;
    body.has_retry_after_ms = info->retryable;
    body.retry_after_ms = self->retry_after_ms;
    finish(self, info->code, &body.base);
}

bool request_get_answer(const request_t *self, request_answer_view *ret_answer)
{
    if (!self->is_answered) return false;
    const mk_code_info *info = mk_code_find(self->code);
    *ret_answer = (request_answer_view){.http_status = info->http_status,
                                        .body = self->answer,
                                        .body_size = self->answer_size,
                                        .retry = info->retryable,
                                        .retry_after_ms = self->retry_after_ms};
    return true;
}

/* ---- headers ---- */

static void make_trace(request_t *self)
{
    uint8_t id[24];
    char span[17];
    bytes_random(id, sizeof id);
    bytes_to_hex(id, 16, self->trace);
    bytes_to_hex(id + 16, 8, span);
    snprintf(self->traceparent, sizeof self->traceparent, "00-%s-%s-01", self->trace, span);
}

static mk_code check_content_type(const route_t *route, const char *content_type)
{
    if (route->body_type == NULL) return MK_OK;
    bool right = content_type != NULL && strcasecmp(content_type, "application/x-protobuf") == 0;
    return right ? MK_OK : MK_BAD_REQUEST;
}

static mk_code read_client(request_t *self, const char *client_sha256)
{
    if (client_sha256 == NULL) return self->route->needs_terminal ? MK_TERMINAL_UNKNOWN : MK_OK;
    MK_TRY(bytes_from_hex(client_sha256, self->client_sha256, sizeof self->client_sha256));
    self->has_client = true;
    return MK_OK;
}

static mk_code judge_head(request_t *self, const request_head *head, const char **ret_detail)
{
    *ret_detail = "edge";
    if (!edge_secret_matches(self->gateway->secret, head->edge_secret)) {
        metric_inc(self->gateway->stats.edge_refused);
        return MK_DENIED;
    }
    *ret_detail = "path";
    MK_TRY(route_find(head->http_method, head->path, &self->route));
    *ret_detail = "client_certificate";
    MK_TRY(read_client(self, head->client_sha256));
    *ret_detail = "content_type";
    return check_content_type(self->route, head->content_type);
}

request_t *request_new(gateway_t *gateway, const request_head *head, request_answered_fn *answered, void *arg)
{
    request_t *self = zmalloc(sizeof *self);
    self->gateway = gateway;
    self->answered = answered;
    self->arg = arg;
    self->began_us = clock_mono_us();
    make_trace(self);
    const char *detail = NULL;
    mk_code code = judge_head(self, head, &detail);
    if (code != MK_OK) refuse_at_once(self, code, detail);
    return self;
}

void request_destroy(request_t **self_p)
{
    request_t *self = *self_p;
    if (self == NULL) return;
    leave(self);
    terminal_unref(&self->terminal);
    pb_free(self->message);
    free(self->body);
    free(self->answer);
    free(self->state);
    free(self);
    *self_p = NULL;
}

void request_refuse_body(request_t *self)
{
    if (!self->is_answered) refuse_at_once(self, MK_TOO_LARGE, "body");
}

void request_add_body(request_t *self, const char *data, size_t size)
{
    if (self->is_answered) return;
    if (size > REQUEST_BODY_MAX - self->body_size) {
        refuse_at_once(self, MK_TOO_LARGE, "body");
        return;
    }
    uint8_t *body = realloc(self->body, self->body_size + size);
    if (body == NULL) abort();
    memcpy(body + self->body_size, data, size);
    self->body = body;
    self->body_size += size;
}

/* ---- the way to the handler ---- */

static void refuse_busy(request_t *self, const admission_refusal *refusal)
{
    metric_add(self->gateway->stats.admission_refused, 1, refusal->reason, NULL, NULL, NULL);
    request_fail(self, MK_BUSY, refusal->reason, refusal->retry_after_ms);
}

static void handle(request_t *self)
{
    const route_t *route = self->route;
    if (route->body_type != NULL) {
        mk_code code = pb_unpack(route->body_type, self->body, self->body_size, &self->message);
        if (code != MK_OK) {
            request_fail(self, code, "body", 0);
            return;
        }
    }
    free(self->body);
    self->body = NULL;
    route->handle(self);
}

static void terminal_found(mk_code code, terminal_t *terminal, uint32_t retry_after_ms, void *arg)
{
    request_t *self = arg;
    admission_refusal refusal;
    if (code != MK_OK) {
        request_fail(self, code, "terminal", retry_after_ms);
        return;
    }
    self->terminal = terminal_ref(terminal);
    code = admission_enter_terminal(self->gateway->admission, self->route->admission, terminal_id(terminal),
                                    clock_mono_ms(), &self->admitted, &refusal);
    if (code != MK_OK) {
        refuse_busy(self, &refusal);
        return;
    }
    handle(self);
}

static void enter(request_t *self)
{
    admission_refusal refusal;
    uint64_t now_ms = clock_mono_ms();
    if (admission_enter(self->gateway->admission, self->route->admission, now_ms, &refusal) != MK_OK) {
        refuse_busy(self, &refusal);
        return;
    }
    self->entered = true;
    if (self->route->needs_terminal) {
        terminal_table_find(self->gateway->terminals, self->client_sha256, now_ms, terminal_found, self);
    } else {
        handle(self);
    }
}

void request_run(request_t *self)
{
    if (self->is_answered) return;
    self->is_running = true;
    enter(self);
    self->is_running = false;
}

/* ---- what a handler sees ---- */

gateway_t *request_gateway(const request_t *self)
{
    return self->gateway;
}

terminal_t *request_terminal(const request_t *self)
{
    return self->terminal;
}

const ProtobufCMessage *request_message(const request_t *self)
{
    return self->message;
}

const char *request_trace(const request_t *self)
{
    return self->trace;
}

const char *request_traceparent(const request_t *self)
{
    return self->traceparent;
}

uint32_t request_remaining_ms(const request_t *self)
{
    uint64_t passed_ms = (clock_mono_us() - self->began_us) / 1000;
    return passed_ms >= self->route->deadline_ms ? 0 : (uint32_t)(self->route->deadline_ms - passed_ms);
}

void *request_make_state(request_t *self, size_t size)
{
    assert(self->state == NULL);
    self->state = zmalloc(size);
    return self->state;
}

void *request_state(const request_t *self)
{
    return self->state;
}

void request_set_purpose(request_t *self, const char *purpose)
{
    self->purpose = purpose;
}
