/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/enrol.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/oneshot.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "common/pb/pb.h"
#include "proto/terminal.pb-c.h"

enum { ASK_EVERY_MS = 1000, AGAIN_MS = 5000, TIMEOUT_MS = 8000 };

typedef enum enrol_step { STEP_IDLE, STEP_REQUEST, STEP_RESULT, STEP_PROBE } enrol_step;

struct enrol {
    uplink_t *uplink;
    profile_t *profile;
    enrol_done_fn *fn;
    void *arg;
    oneshot_t timer;
    enrol_step step;
    bool renewing;
    unsigned call;
    invite with;
    uint8_t csr[PROFILE_CSR_MAX];
    size_t csr_size;
    profile_pending pending;
};

/* ---- invites ---- */

mk_code invite_parse(const char *text, invite *ret_invite)
{
    char fingerprint[2 * BYTES_SHA256_SIZE + 1];
    invite parsed = {0};
    size_t size = strcspn(text, " \r\n\t");
    MK_ENSURE(size == INVITE_CODE_SIZE + 1 + 2 * BYTES_SHA256_SIZE, MK_INVITE_INVALID);
    MK_ENSURE(strchr(".-", text[INVITE_CODE_SIZE]), MK_INVITE_INVALID);
    memcpy(parsed.code, text, INVITE_CODE_SIZE);
    memcpy(fingerprint, text + INVITE_CODE_SIZE + 1, sizeof fingerprint - 1);
    fingerprint[sizeof fingerprint - 1] = '\0';
    MK_ENSURE(text_is_made_of(parsed.code, TEXT_UPPER TEXT_LOWER TEXT_DIGITS, INVITE_CODE_SIZE, INVITE_CODE_SIZE),
              MK_INVITE_INVALID);
    MK_ENSURE(bytes_from_hex(fingerprint, parsed.authority_sha256, BYTES_SHA256_SIZE) == MK_OK, MK_INVITE_INVALID);
    *ret_invite = parsed;
    return MK_OK;
}

mk_code invite_read(const char *path, invite *ret_invite)
{
    char text[INVITE_TEXT_MAX] = "";
    struct stat about;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    MK_ENSURE(fd >= 0, MK_INVITE_INVALID);
    bool is_private = !path || (fstat(fd, &about) == 0 && (about.st_mode & 077) == 0);
    ssize_t got = is_private ? read(fd, text, sizeof text - 1) : -1;
    if (path) (void)close(fd);
    mk_code code = got > 0 ? invite_parse(text, ret_invite) : MK_INVITE_INVALID;
    bytes_wipe(text, sizeof text);
    return code;
}

/* ---- steps ---- */

static void on_time(void *arg);

enrol_t *enrol_new(zloop_t *loop, uplink_t *uplink, profile_t *profile, enrol_done_fn *fn, void *arg)
{
    enrol_t *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->uplink = uplink;
    self->profile = profile;
    self->fn = fn;
    self->arg = arg;
    oneshot_init(&self->timer, loop, on_time, self);
    return self;
}

void enrol_destroy(enrol_t **self_p)
{
    if (!self_p || !*self_p) return;
    enrol_t *self = *self_p;
    uplink_cancel(self->uplink, self->call);
    oneshot_stop(&self->timer);
    bytes_wipe(&self->with, sizeof self->with);
    free(self);
    *self_p = NULL;
}

static void end(enrol_t *self, problem_t problem)
{
    self->step = STEP_IDLE;
    if (problem) profile_abandon(self->profile);
    bytes_wipe(&self->with, sizeof self->with);
    log_write(problem ? LEVEL_ERROR : LEVEL_INFO, self->renewing ? "renewal_ended" : "enrolment_ended",
              (const log_field[]){LOG_TEXT(CODE, problem_name(problem)), {LOG_F_END, NULL, 0}});
    self->fn(problem, self->arg);
}

static bool is_passing(problem_t problem)
{
    return problem == PROBLEM_NETWORK_DOWN || problem == MK_ENROL_PENDING ||
           (problem < MK_CODE_MAX && mk_code_find(problem)->retryable);
}

static void again(enrol_t *self, problem_t problem)
{
    oneshot_set(&self->timer, problem == MK_ENROL_PENDING ? ASK_EVERY_MS : AGAIN_MS);
}

static void post(enrol_t *self, const char *path, const ProtobufCMessage *message, uplink_answer_fn *fn)
{
    size_t size = 0;
    uint8_t *body = message ? pb_pack(message, &size) : NULL;
    const char *identity = self->renewing ? profile_identity_path(self->profile) : NULL;
    if (self->step == STEP_PROBE) identity = profile_next_path(self->profile);
    uplink_request request = {.path = path, .body = body, .size = size, .identity = identity, .timeout_ms = TIMEOUT_MS};
    self->call = uplink_send(self->uplink, &request, fn, self);
    if (body) bytes_wipe(body, size);
    free(body);
    if (!self->call) again(self, MK_BUSY);
}

/* GET with the new certificate: only one that works may replace the old. */
static void on_probe(const uplink_answer *answer, void *arg)
{
    enrol_t *self = arg;
    self->call = 0;
    if (is_passing(answer->problem)) {
        again(self, answer->problem);
        return;
    }
    problem_t problem = answer->problem ? answer->problem : profile_commit(self->profile);
    if (!problem) uplink_renewed(self->uplink);
    end(self, problem);
}

static problem_t take_certificate(enrol_t *self, const uplink_answer *answer)
{
    ProtobufCMessage *message = NULL;
    MK_TRY(pb_unpack(&mykey__terminal__enrolled__descriptor, answer->body, answer->size, &message));
    const Mykey__Terminal__Enrolled *enrolled = (const Mykey__Terminal__Enrolled *)message;
    mk_code code = MK_CERT_UNTRUSTED;
    if (enrolled->has_certificate && enrolled->has_authority)
        code = profile_accept(self->profile, enrolled->certificate.data, enrolled->certificate.len,
                              enrolled->authority.data, enrolled->authority.len, self->pending.authority_sha256);
    pb_free(message);
    return code;
}

static void on_result(const uplink_answer *answer, void *arg)
{
    enrol_t *self = arg;
    self->call = 0;
    if (is_passing(answer->problem)) {
        again(self, answer->problem);
        return;
    }
    problem_t problem = answer->problem ? answer->problem : take_certificate(self, answer);
    if (problem) {
        end(self, problem);
        return;
    }
    if (self->renewing) {
        self->step = STEP_PROBE;
        oneshot_set(&self->timer, 0);
    } else {
        end(self, profile_commit(self->profile)); /* there is no old one to keep */
    }
}

static problem_t take_enrolment(enrol_t *self, const uplink_answer *answer)
{
    ProtobufCMessage *message = NULL;
    MK_TRY(pb_unpack(&mykey__terminal__enrol_accepted__descriptor, answer->body, answer->size, &message));
    const Mykey__Terminal__EnrolAccepted *accepted = (const Mykey__Terminal__EnrolAccepted *)message;
    bool good = accepted->has_enrolment_id && accepted->enrolment_id.len > 0 &&
                accepted->enrolment_id.len <= PROFILE_ENROLMENT_MAX;
    if (good) {
        self->pending.id_size = accepted->enrolment_id.len;
        memcpy(self->pending.id, accepted->enrolment_id.data, accepted->enrolment_id.len);
    }
    pb_free(message);
    return good ? (problem_t)profile_set_pending(self->profile, &self->pending) : MK_BAD_REQUEST;
}

static void on_request(const uplink_answer *answer, void *arg)
{
    enrol_t *self = arg;
    self->call = 0;
    if (is_passing(answer->problem)) {
        again(self, answer->problem);
        return;
    }
    problem_t problem = answer->problem ? answer->problem : take_enrolment(self, answer);
    if (problem) {
        end(self, problem);
        return;
    }
    self->step = STEP_RESULT;
    oneshot_set(&self->timer, 0);
}

static void send_request(enrol_t *self)
{
    ProtobufCBinaryData csr = {self->csr_size, self->csr};
    if (self->renewing) {
        Mykey__Terminal__Renew renew = MYKEY__TERMINAL__RENEW__INIT;
        renew.has_csr = true;
        renew.csr = csr;
        post(self, "/v1/renew", &renew.base, on_request);
        return;
    }
    Mykey__Terminal__Enrol enrol = MYKEY__TERMINAL__ENROL__INIT;
    enrol.code = self->with.code;
    enrol.has_csr = true;
    enrol.csr = csr;
    post(self, "/v1/enrol", &enrol.base, on_request);
}

static void ask_result(enrol_t *self)
{
    Mykey__Terminal__EnrolResult ask = MYKEY__TERMINAL__ENROL_RESULT__INIT;
    ask.has_enrolment_id = true;
    ask.enrolment_id.data = self->pending.id;
    ask.enrolment_id.len = self->pending.id_size;
    post(self, "/v1/enrol/result", &ask.base, on_result);
}

static void on_time(void *arg)
{
    enrol_t *self = arg;
    switch (self->step) {
    case STEP_REQUEST: send_request(self); break;
    case STEP_RESULT: ask_result(self); break;
    case STEP_PROBE: post(self, "/v1/terminal", NULL, on_probe); break;
    case STEP_IDLE: break;
    }
}

static void begin(enrol_t *self, mk_code ready)
{
    if (ready == MK_OK && self->step != STEP_RESULT) ready = profile_new_key(self->profile, self->csr, &self->csr_size);
    if (ready != MK_OK) {
        end(self, ready);
        return;
    }
    if (self->step != STEP_RESULT) self->step = STEP_REQUEST;
    oneshot_set(&self->timer, 0);
}

void enrol_start(enrol_t *self, const invite *with)
{
    self->renewing = false;
    if (profile_pending_load(self->profile, &self->pending) == MK_OK) {
        self->step = STEP_RESULT;
    } else {
        self->with = *with;
        memcpy(self->pending.authority_sha256, with->authority_sha256, BYTES_SHA256_SIZE);
    }
    begin(self, MK_OK);
}

void enrol_renew(enrol_t *self)
{
    if (self->step != STEP_IDLE) return;
    self->renewing = true;
    begin(self, profile_authority(self->profile, self->pending.authority_sha256));
}

int64_t enrol_renew_at(const profile_identity *identity)
{
    return identity->not_before_s + (identity->not_after_s - identity->not_before_s) / 3 * 2;
}
