/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/server.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/ops/http_loop.h"
#include "services/gateway/request.h"

/* A request on its connection: from the first header to the last byte of the answer. */
typedef struct exchange {
    server_t *server;
    struct MHD_Connection *connection;
    request_t *request;
    bool suspended;
    LIST_ENTRY(exchange) next;
} exchange_t;

struct server {
    gateway_t *gateway;
    http_loop_t *http;
    bool ready;
    unsigned open;
    LIST_HEAD(, exchange) exchanges;
};

/* ---- answers ---- */

static void add_number(struct MHD_Response *response, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    MHD_add_response_header(response, name, text);
}

static void add_headers(struct MHD_Response *response, const exchange_t *exchange, const request_answer_view *answer)
{
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/x-protobuf");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Mykey-Trace", request_trace(exchange->request));
    MHD_add_response_header(response, "X-Mykey-Gateway", exchange->server->gateway->id);
    add_number(response, "X-Mykey-Time", clock_wall_ms());
    if (answer->retry) add_number(response, MHD_HTTP_HEADER_RETRY_AFTER, (answer->retry_after_ms + 999) / 1000);
}

static enum MHD_Result send_answer(exchange_t *exchange)
{
    request_answer_view answer;
    if (!request_get_answer(exchange->request, &answer)) return MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer.body_size, (void *)(uintptr_t)answer.body, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) return MHD_NO;
    add_headers(response, exchange, &answer);
    enum MHD_Result result = MHD_queue_response(exchange->connection, (unsigned)answer.http_status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_health(const server_t *self, struct MHD_Connection *connection)
{
    unsigned status = self->gateway->draining ? 404 : self->ready ? 200 : 503;
    struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response == NULL) return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* The answer came after we had let the connection sleep. */
static void answered(void *arg)
{
    exchange_t *exchange = arg;
    http_loop_t *http = exchange->server->http;
    exchange->suspended = false;
    MHD_resume_connection(exchange->connection);
    http_loop_kick(http);
}

/* ---- requests ---- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static exchange_t *exchange_new(server_t *self, struct MHD_Connection *connection, const char *url, const char *method)
{
    exchange_t *exchange = zmalloc(sizeof *exchange);
    request_head head = {.http_method = method,
                         .path = url,
                         .edge_secret = header(connection, "X-Mykey-Edge"),
                         .client_sha256 = header(connection, "X-Mykey-Client-Sha256"),
                         .content_type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE)};
    exchange->server = self;
    exchange->connection = connection;
    exchange->request = request_new(self->gateway, &head, answered, exchange);
    LIST_INSERT_HEAD(&self->exchanges, exchange, next);
    self->open++;
    return exchange;
}

static void exchange_destroy(exchange_t *exchange)
{
    LIST_REMOVE(exchange, next);
    exchange->server->open--;
    request_destroy(&exchange->request);
    free(exchange);
}

static bool announces_too_much(struct MHD_Connection *connection)
{
    const char *length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length != NULL && strtoull(length, NULL, 10) > REQUEST_BODY_MAX;
}

/* Headers are there. A body that is too large by its own word is not read: the library then closes the connection. */
static enum MHD_Result begin(server_t *self, struct MHD_Connection *connection, const char *url, const char *method,
                             void **con_cls)
{
    exchange_t *exchange = exchange_new(self, connection, url, method);
    *con_cls = exchange;
    if (!announces_too_much(connection)) return MHD_YES;
    request_refuse_body(exchange->request);
    return send_answer(exchange);
}

static enum MHD_Result run(exchange_t *exchange)
{
    request_answer_view answer;
    request_run(exchange->request);
    if (request_get_answer(exchange->request, &answer)) return send_answer(exchange);
    exchange->suspended = true;
    MHD_suspend_connection(exchange->connection);
    return MHD_YES;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload_data, size_t *upload_data_size, void **con_cls)
{
    (void)version;
    server_t *self = cls;
    exchange_t *exchange = *con_cls;
    if (exchange == NULL && strcmp(url, "/health") == 0) return send_health(self, connection);
    if (exchange == NULL) return begin(self, connection, url, method, con_cls);
    if (*upload_data_size > 0) {
        request_add_body(exchange->request, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES;
    }
    return run(exchange);
}

static void completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                      enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)connection;
    (void)code;
    if (*con_cls != NULL) exchange_destroy(*con_cls);
    *con_cls = NULL;
}

/* ---- the server ---- */

mk_code server_new(gateway_t *gateway, server_t **ret_server)
{
    server_t *self = zmalloc(sizeof *self);
    self->gateway = gateway;
    LIST_INIT(&self->exchanges);
    http_loop_options options = {.listen = gateway->settings->listen,
                                 .handler = handle,
                                 .completed = completed,
                                 .arg = self,
                                 .connection_limit = (unsigned)gateway->settings->connections_max,
                                 .timeout_s = 60};
    mk_code code = http_loop_new(daemon_loop(gateway->daemon), &options, &self->http);
    if (code != MK_OK) {
        free(self);
        return code;
    }
    *ret_server = self;
    return MK_OK;
}

void server_destroy(server_t **self_p)
{
    server_t *self = *self_p;
    if (self == NULL) return;
    exchange_t *exchange;
    LIST_FOREACH(exchange, &self->exchanges, next)
    {
        if (exchange->suspended) MHD_resume_connection(exchange->connection);
    }
    http_loop_destroy(&self->http);
    free(self);
    *self_p = NULL;
}

void server_set_ready(server_t *self, bool ready)
{
    self->ready = ready;
}

void server_quiesce(server_t *self)
{
    http_loop_quiesce(self->http);
}

unsigned server_open(const server_t *self)
{
    return self->open;
}
