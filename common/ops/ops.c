/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ops/ops.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/ops/git.h"
#include "common/ops/http_loop.h"

enum { CONNECTIONS = 64, TIMEOUT_S = 10 };

struct ops {
    http_loop_t *http;
    ops_options options;
};

static const char type_text[] = "text/plain; charset=utf-8";
static const char type_json[] = "application/json";
static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

/* body: malloc'ed, taken over. */
typedef struct answer {
    int status;
    const char *type;
    char *body;
    size_t size;
} answer;

static answer text_answer(int status, const char *text)
{
    char *body = strdup(text);
    assert(body != NULL);
    return (answer){status, type_text, body, strlen(body)};
}

static answer answer_livez(ops_t *self)
{
    (void)self; /* the loop turns, or nobody would be here */
    return text_answer(200, "ok\n");
}

static answer answer_readyz(ops_t *self)
{
    char *json = NULL;
    int status = self->options.ready(self->options.arg, &json);
    return (answer){status, type_json, json, strlen(json)};
}

static answer answer_metrics(ops_t *self)
{
    size_t size;
    char *text = metrics_render(self->options.metrics, &size);
    return (answer){200, type_metrics, text, size};
}

static answer answer_version(ops_t *self)
{
    char *body = NULL;
    int size = asprintf(&body, "{\"program\":\"%s\",\"version\":\"%s\",\"git\":\"%s\"}\n", self->options.program,
                        MYKEY_VERSION, MYKEY_GIT);
    assert(size > 0);
    return (answer){200, type_json, body, (size_t)size};
}

static const struct {
    const char *path;
    answer (*make)(ops_t *self);
} pages[] = {
    {"/livez", answer_livez},
    {"/readyz", answer_readyz},
    {"/metrics", answer_metrics},
    {"/version", answer_version},
};

static answer find_answer(ops_t *self, const char *url, const char *method)
{
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(pages[i].path, url) != 0) continue;
        return strcmp(method, "GET") == 0 ? pages[i].make(self) : text_answer(405, "GET only\n");
    }
    return text_answer(404, "not found\n");
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, const answer *a)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(a->size, a->body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(a->body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (a->status == 405) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET");
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)a->status, response);
    MHD_destroy_response(response);
    return queued;
}

/* libmicrohttpd calls once after the header, then for each part of a body, then once more: that is when we answer. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **state)
{
    static char seen;
    (void)version;
    (void)upload;
    if (*state == NULL) {
        *state = &seen;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    answer a = find_answer(arg, url, method);
    return send_answer(connection, &a);
}

mk_code ops_new(zloop_t *loop, const ops_options *options, ops_t **ret_ops)
{
    ops_t *self = calloc(1, sizeof *self);
    assert(self != NULL);
    self->options = *options;
    http_loop_options http = {.listen = options->listen,
                              .handler = on_request,
                              .arg = self,
                              .connection_limit = CONNECTIONS,
                              .timeout_s = TIMEOUT_S};
    mk_code code = http_loop_new(loop, &http, &self->http);
    if (code != MK_OK) {
        free(self);
        return code;
    }
    *ret_ops = self;
    return MK_OK;
}

void ops_destroy(ops_t **self_p)
{
    ops_t *self = *self_p;
    if (self == NULL) return;
    http_loop_destroy(&self->http);
    free(self);
    *self_p = NULL;
}
