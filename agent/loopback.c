/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/loopback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agent/action.h"
#include "agent/assets.h"
#include "agent/profile.h"
#include "common/base/bytes.h"
#include "common/ops/http_loop.h"

enum { STREAMS_MAX = 8, BACKLOG_MAX = 256 * 1024, COMMENT_MS = 10000, TOKEN_SIZE = 16 };

/* One page that follows the snapshots. */
typedef struct stream {
    loopback_t *loopback; /* NULL = free slot */
    struct MHD_Connection *connection;
    char *data; /* what it has not got yet */
    size_t size;
    bool suspended;
} stream_t;

typedef struct request {
    char body[ACTION_BODY_MAX + 1];
    size_t size;
} request_t;

struct loopback {
    zloop_t *loop;
    loopback_options options;
    counter_t *counter;
    http_loop_t *http;
    char authority[32]; /* "127.0.0.1:PORT" */
    char token[2 * TOKEN_SIZE + 1];
    stream_t streams[STREAMS_MAX];
    int timer;
    bool closing;
};

/* ---- who may ask ---- */

bool loopback_header_allowed(const char *authority, const char *name, const char *value)
{
    static const char scheme[] = "http://";
    if (!value) value = "";
    if (strcasecmp(name, "Host") == 0) return strcmp(value, authority) == 0;
    if (strcasecmp(name, "Origin") == 0)
        return strncmp(value, scheme, sizeof scheme - 1) == 0 && strcmp(value + sizeof scheme - 1, authority) == 0;
    if (strcasecmp(name, "Sec-Fetch-Site") == 0) return strcmp(value, "same-origin") == 0 || strcmp(value, "none") == 0;
    return true;
}

typedef struct guard {
    const char *authority;
    bool has_host, allowed;
} guard;

/* Every header, so that a second Host can't hide behind the first. */
static enum MHD_Result check_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    guard *self = arg;
    self->has_host |= strcasecmp(name, "Host") == 0;
    self->allowed &= loopback_header_allowed(self->authority, name, value);
    return MHD_YES;
}

static bool is_own_page(const loopback_t *self, struct MHD_Connection *connection)
{
    guard seen = {.authority = self->authority, .allowed = true};
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, check_header, &seen);
    return seen.has_host && seen.allowed;
}

static bool has_token(const loopback_t *self, struct MHD_Connection *connection)
{
    const char *token = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Mykey-Token");
    return token && strlen(token) == sizeof self->token - 1 &&
           bytes_equal_secret((const uint8_t *)token, (const uint8_t *)self->token, sizeof self->token - 1);
}

static bool is_json(struct MHD_Connection *connection)
{
    static const char json[] = "application/json";
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (!type || strncasecmp(type, json, sizeof json - 1) != 0) return false;
    return type[sizeof json - 1] == '\0' || type[sizeof json - 1] == ';';
}

/* ---- answers ---- */

static const struct {
    const char *name, *value;
} security_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
     "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Embedder-Policy", "require-corp"},
    {"Permissions-Policy",
     "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), "
     "fullscreen=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), "
     "payment=(), picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), "
     "serial=(), usb=(), xr-spatial-tracking=()"},
    {"Cache-Control", "no-store"},
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type,
                               struct MHD_Response *response)
{
    if (!response) return MHD_NO;
    for (size_t i = 0; i < sizeof security_headers / sizeof security_headers[0]; i++)
        (void)MHD_add_response_header(response, security_headers[i].name, security_headers[i].value);
    if (type) (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result respond_problem(struct MHD_Connection *connection, unsigned status, const char *code)
{
    char text[96];
    int size =
        code ? snprintf(text, sizeof text, "{\"error\":\"%s\"}", code) : snprintf(text, sizeof text, "{\"ok\":true}");
    return respond(connection, status, "application/json",
                   MHD_create_response_from_buffer((size_t)size, text, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result respond_file(const loopback_t *self, struct MHD_Connection *connection, const char *path)
{
    unsigned char *data = NULL;
    size_t size = 0;
    const char *type = NULL;
    if (self->options.page_dir[0] && assets_read(self->options.page_dir, path, &data, &size, &type))
        return respond(connection, MHD_HTTP_OK, type,
                       MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE));
    const asset *file = assets_find(path);
    if (!file) return respond_problem(connection, MHD_HTTP_NOT_FOUND, "NOT_FOUND");
    const char *known = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    bool same = known && strcmp(known, file->etag) == 0;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(same ? 0 : file->size, (void *)file->data, MHD_RESPMEM_PERSISTENT);
    if (response) (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, file->etag);
    return respond(connection, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, file->type, response);
}

/* ---- the stream of snapshots ---- */

static void wipe_backlog(stream_t *stream)
{
    if (stream->data) bytes_wipe(stream->data, stream->size);
    free(stream->data);
    stream->data = NULL;
    stream->size = 0;
}

/* A page that doesn't read gets only the newest. */
static void append(stream_t *stream, const char *text, size_t size)
{
    if (stream->size + size > BACKLOG_MAX) wipe_backlog(stream);
    char *grown = malloc(stream->size + size);
    if (!grown) return;
    if (stream->size > 0) memcpy(grown, stream->data, stream->size);
    memcpy(grown + stream->size, text, size);
    size_t total = stream->size + size;
    wipe_backlog(stream);
    stream->data = grown;
    stream->size = total;
    if (!stream->suspended) return;
    stream->suspended = false;
    MHD_resume_connection(stream->connection);
    http_loop_kick(stream->loopback->http);
}

/* In one piece: an overflow between its parts would leave half an event. */
static void append_snapshot(stream_t *stream, const char *json)
{
    size_t size = strlen("data: ") + strlen(json) + strlen("\n\n");
    char *event = malloc(size + 1);
    if (!event) return;
    (void)snprintf(event, size + 1, "data: %s\n\n", json);
    append(stream, event, size);
    bytes_wipe(event, size);
    free(event);
}

static char *render(const loopback_t *self)
{
    json_t *snapshot = counter_snapshot(self->counter);
    char *json = snapshot ? json_dumps(snapshot, JSON_COMPACT) : NULL;
    json_decref(snapshot);
    return json;
}

static void free_json(char *json)
{
    json_malloc_t take;
    json_free_t give = free;
    json_get_alloc_funcs(&take, &give);
    if (json) give(json);
}

void loopback_changed(loopback_t *self)
{
    char *json = NULL;
    for (size_t i = 0; i < STREAMS_MAX; i++) {
        if (!self->streams[i].loopback) continue;
        if (!json) json = render(self);
        if (json) append_snapshot(&self->streams[i], json);
    }
    free_json(json);
}

static ssize_t read_stream(void *arg, uint64_t at, char *out, size_t cap)
{
    (void)at;
    stream_t *stream = arg;
    if (stream->loopback->closing) return MHD_CONTENT_READER_END_OF_STREAM;
    if (stream->size == 0) {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
        return 0;
    }
    size_t size = stream->size < cap ? stream->size : cap;
    memcpy(out, stream->data, size);
    memmove(stream->data, stream->data + size, stream->size - size);
    bytes_wipe(stream->data + stream->size - size, size);
    stream->size -= size;
    return (ssize_t)size;
}

static void free_stream(void *arg)
{
    stream_t *stream = arg;
    wipe_backlog(stream);
    *stream = (stream_t){0};
}

/* A byte for everybody: libmicrohttpd notices only while sending that a page has gone. */
static void nudge(loopback_t *self)
{
    for (size_t i = 0; i < STREAMS_MAX; i++)
        if (self->streams[i].loopback) append(&self->streams[i], ":\n\n", 3);
}

static enum MHD_Result open_stream(loopback_t *self, struct MHD_Connection *connection)
{
    size_t i = 0;
    while (i < STREAMS_MAX && self->streams[i].loopback) i++;
    if (i == STREAMS_MAX || self->closing) {
        nudge(self); /* it will ask again */
        return respond_problem(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "BUSY");
    }
    stream_t *stream = &self->streams[i];
    *stream = (stream_t){.loopback = self, .connection = connection};
    char *json = render(self);
    if (json) append_snapshot(stream, json);
    free_json(json);
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, read_stream, stream, free_stream);
    if (!response) free_stream(stream);
    return respond(connection, MHD_HTTP_OK, "text/event-stream; charset=utf-8", response);
}

static int on_comment(zloop_t *loop, int timer, void *arg)
{
    (void)loop;
    (void)timer;
    nudge(arg);
    return 0;
}

/* ---- requests ---- */

static enum MHD_Result act(loopback_t *self, struct MHD_Connection *connection, const request_t *request)
{
    counter_action action;
    json_t *body = NULL;
    problem_t problem = action_parse(request->body, request->size, &action, &body);
    if (!problem) problem = counter_act(self->counter, &action);
    json_decref(body);
    if (!problem) return respond_problem(connection, MHD_HTTP_OK, NULL);
    bool known = problem < MK_CODE_MAX && mk_code_find(problem)->http_status >= 400;
    return respond_problem(connection, known ? (unsigned)mk_code_find(problem)->http_status : MHD_HTTP_CONFLICT,
                           problem_name(problem));
}

/* What is wrong with the request before its body is read; 0 = nothing. */
static unsigned refuse(const loopback_t *self, struct MHD_Connection *connection, const char *url, const char *method)
{
    bool post = strcmp(method, "POST") == 0;
    bool api = strncmp(url, "/v1/", 4) == 0;
    if (!is_own_page(self, connection)) return MHD_HTTP_FORBIDDEN;
    if (!post && strcmp(method, "GET") != 0) return MHD_HTTP_METHOD_NOT_ALLOWED;
    if (api && !has_token(self, connection)) return MHD_HTTP_UNAUTHORIZED;
    if (post != (strcmp(url, "/v1/actions") == 0)) return MHD_HTTP_METHOD_NOT_ALLOWED;
    if (post && !is_json(connection)) return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    return 0;
}

static enum MHD_Result turn_away(loopback_t *self, struct MHD_Connection *connection, unsigned status)
{
    char label[sizeof "4294967295"];
    (void)snprintf(label, sizeof label, "%u", status);
    metric_add(self->options.refusals, 1, label, NULL, NULL, NULL);
    return respond_problem(connection, status, "DENIED");
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **context)
{
    (void)version;
    loopback_t *self = arg;
    request_t *request = *context;
    if (!request) {
        unsigned status = refuse(self, connection, url, method);
        if (status) return turn_away(self, connection, status);
        *context = calloc(1, sizeof(request_t));
        return *context ? MHD_YES : MHD_NO;
    }
    if (*size > 0) {
        /* Too much is remembered as one byte over the limit. */
        size_t room = sizeof request->body - request->size;
        size_t take = *size < room ? *size : room;
        memcpy(request->body + request->size, data, take);
        request->size += take;
        *size = 0;
        return MHD_YES;
    }
    if (strcmp(method, "POST") == 0) return act(self, connection, request);
    if (strcmp(url, "/v1/events") == 0) return open_stream(self, connection);
    return respond_file(self, connection, url);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)connection;
    (void)code;
    if (*context) bytes_wipe(*context, sizeof(request_t));
    free(*context);
    *context = NULL;
}

/* ---- life ---- */

static mk_code write_launch(loopback_t *self)
{
    uint8_t token[TOKEN_SIZE];
    char text[128];
    bytes_random(token, sizeof token);
    bytes_to_hex(token, sizeof token, self->token);
    (void)snprintf(self->authority, sizeof self->authority, "127.0.0.1:%u", http_loop_port(self->http));
    int size = snprintf(text, sizeof text, "http://%s/#t=%s\n", self->authority, self->token);
    mk_code code = profile_write(self->options.launch_path, text, (size_t)size, 0600);
    bytes_wipe(text, sizeof text);
    return code;
}

mk_code loopback_new(zloop_t *loop, const loopback_options *options, counter_t *counter, loopback_t **ret_loopback)
{
    MK_ENSURE(strncmp(options->listen, "127.0.0.1:", 10) == 0, MK_BAD_REQUEST);
    loopback_t *self = calloc(1, sizeof *self);
    MK_ENSURE(self, MK_INTERNAL);
    self->loop = loop;
    self->options = *options;
    self->counter = counter;
    self->timer = -1;
    http_loop_options http = {.listen = options->listen,
                              .handler = on_request,
                              .completed = on_completed,
                              .arg = self,
                              .connection_limit = 64};
    mk_code code = http_loop_new(loop, &http, &self->http);
    if (code == MK_OK) code = write_launch(self);
    if (code == MK_OK) self->timer = zloop_timer(loop, COMMENT_MS, 0, on_comment, self);
    if (code != MK_OK)
        loopback_destroy(&self);
    else
        *ret_loopback = self;
    return code;
}

void loopback_destroy(loopback_t **self_p)
{
    if (!self_p || !*self_p) return;
    loopback_t *self = *self_p;
    self->closing = true;
    if (self->timer >= 0) zloop_timer_end(self->loop, self->timer);
    /* libmicrohttpd does not stop while a connection is suspended. */
    for (size_t i = 0; i < STREAMS_MAX; i++)
        if (self->streams[i].suspended) MHD_resume_connection(self->streams[i].connection);
    if (self->http) http_loop_destroy(&self->http);
    if (self->token[0]) (void)unlink(self->options.launch_path);
    bytes_wipe(self->token, sizeof self->token);
    free(self);
    *self_p = NULL;
}
