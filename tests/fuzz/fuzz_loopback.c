/* SPDX-License-Identifier: Apache-2.0 */
/* What another program or page may ask of the counter page: the first line is "METHOD URL", the next are headers, what
 * follows is the body. Only the page's own origin with the token gets to the interface, only as JSON, and a body is
 * cut one byte above its bound.
 * Parsers: agent/loopback.c agent/assets.c */
#include "tests/fuzz/fuzz.h"

#include <microhttpd.h>

typedef struct header {
    const char *name, *value;
} header;

enum { HEADERS_MAX = 16 };

static header headers[HEADERS_MAX];
static size_t header_count;
static unsigned queued; /* status of the answer */
static size_t posted;

/* ---- libmicrohttpd's and the counter's part ---- */

static int fuzz_values(struct MHD_Connection *connection, enum MHD_ValueKind kind, MHD_KeyValueIterator fn, void *arg)
{
    (void)connection;
    for (size_t i = 0; i < header_count; i++) (void)fn(arg, kind, headers[i].name, headers[i].value);
    return (int)header_count;
}

static const char *fuzz_lookup(struct MHD_Connection *connection, enum MHD_ValueKind kind, const char *name)
{
    (void)connection;
    (void)kind;
    for (size_t i = 0; i < header_count; i++)
        if (strcasecmp(headers[i].name, name) == 0) return headers[i].value;
    return NULL;
}

static enum MHD_Result fuzz_queue(struct MHD_Connection *connection, unsigned code, struct MHD_Response *response)
{
    (void)connection;
    (void)response;
    queued = code;
    return MHD_YES;
}

#define MHD_get_connection_values fuzz_values
#define MHD_lookup_connection_value fuzz_lookup
#define MHD_queue_response fuzz_queue
#include "agent/loopback.c"
#undef MHD_get_connection_values
#undef MHD_lookup_connection_value
#undef MHD_queue_response

problem_t counter_act(counter_t *self, const counter_action *action)
{
    (void)self;
    HOLDS(action->name != NULL);
    posted++;
    return MK_OK;
}

json_t *counter_snapshot(const counter_t *self)
{
    (void)self;
    return json_object();
}

/* ---- what must hold ---- */

static const char authority[] = "127.0.0.1:8765", token[] = "00112233445566778899aabbccddeeff";

static bool has(const char *name, const char *value)
{
    const char *found = fuzz_lookup(NULL, MHD_HEADER_KIND, name);
    return found != NULL && strcmp(found, value) == 0;
}

/* Of a request that wasn't refused by its head. */
static void check_head(const char *method, const char *url)
{
    HOLDS(has("Host", authority));
    for (size_t i = 0; i < header_count; i++) {
        if (strcasecmp(headers[i].name, "Host") == 0) HOLDS(strcmp(headers[i].value, authority) == 0);
        if (strcasecmp(headers[i].name, "Origin") == 0) HOLDS(strcmp(headers[i].value, "http://127.0.0.1:8765") == 0);
        if (strcasecmp(headers[i].name, "Sec-Fetch-Site") == 0) HOLDS(strcmp(headers[i].value, "cross-site") != 0);
    }
    if (strncmp(url, "/v1/", 4) == 0) HOLDS(has("X-Mykey-Token", token));
    if (strcmp(method, "POST") != 0)
        HOLDS(strcmp(method, "GET") == 0);
    else
        HOLDS(strcmp(url, "/v1/actions") == 0 &&
              strncasecmp(fuzz_lookup(NULL, 0, "Content-Type"), "application/json", 16) == 0);
}

static void ask(loopback_t *self, const char *method, const char *url, const char *body)
{
    void *context = NULL;
    size_t size = 0, left = strlen(body);
    queued = 0;
    HOLDS(on_request(self, NULL, url, method, "HTTP/1.1", NULL, &size, &context) == MHD_YES);
    if (context == NULL) {
        HOLDS(queued >= 400);
        return;
    }
    check_head(method, url);
    for (size_t step = 700; left > 0; left -= size, body += size) {
        size_t piece = size = left < step ? left : step;
        HOLDS(on_request(self, NULL, url, method, "HTTP/1.1", body, &piece, &context) == MHD_YES && piece == 0);
    }
    HOLDS(((request_t *)context)->size <= ACTION_BODY_MAX + 1);
    size = 0;
    HOLDS(on_request(self, NULL, url, method, "HTTP/1.1", NULL, &size, &context) == MHD_YES);
    HOLDS(queued == 200 || queued >= 300);
    on_completed(self, NULL, &context, MHD_REQUEST_TERMINATED_COMPLETED_OK);
    for (size_t i = 0; i < STREAMS_MAX; i++) free_stream(&self->streams[i]);
}

static void take_headers(char **rest)
{
    for (header_count = 0; header_count < HEADERS_MAX; header_count++) {
        char *line = fuzz_cut(rest, '\n');
        if (*line == '\0') return;
        const char *name = fuzz_cut(&line, ':');
        while (*line == ' ') line++;
        headers[header_count] = (header){name, line};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static loopback_t self;
    static metrics_t *metrics;
    static char none[] = "";
    char *text = fuzz_text(data, size), *rest = text;
    self.options.page_dir = none;
    if (metrics == NULL) {
        metrics = metrics_new();
        self.options.refusals = metrics_declare(metrics, METRIC_COUNTER, "mykey_fuzz_total", "Refused.", "status");
    }
    memcpy(self.authority, authority, sizeof authority);
    memcpy(self.token, token, sizeof token);
    action_setup();
    char *url = fuzz_cut(&rest, '\n');
    const char *method = fuzz_cut(&url, ' ');
    take_headers(&rest);
    ask(&self, method, url, rest);
    free(text);
    return 0;
}
