/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/uplink.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/oneshot.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "common/pb/pb.h"
#include "proto/terminal.pb-c.h"

enum { CONNECT_MS = 2000, URL_SIZE = 512 };

typedef struct call {
    unsigned id; /* 0 = free slot */
    uplink_t *uplink;
    CURL *easy;
    struct curl_slist *headers;
    char *path, *gateway, *identity;
    uint8_t *body; /* NULL = GET */
    size_t size;
    unsigned timeout_ms;
    unsigned edge, tries;
    uint64_t sent_at_ms; /* wall clock */
    uint8_t *reply;      /* UPLINK_BODY_MAX */
    size_t reply_size;
    uint64_t server_ms; /* X-Mykey-Time, 0 = none */
    uplink_answer_fn *fn;
    void *arg;
} call_t;

struct uplink {
    zloop_t *loop;
    uplink_options options;
    CURLM *multi;
    oneshot_t timer;
    unsigned edge; /* the one that answered last */
    unsigned last_id;
    bool renewed; /* open connections are those of the old identity */
    call_t calls[UPLINK_CALLS_MAX];
};

/* ---- curl's sockets and timers in the loop ---- */

static void finish_calls(uplink_t *self);

static void act(uplink_t *self, curl_socket_t socket, int events)
{
    int running = 0;
    (void)curl_multi_socket_action(self->multi, socket, events, &running);
    finish_calls(self);
}

static int on_socket_ready(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void)loop;
    int events = (item->revents & ZMQ_POLLIN ? CURL_CSELECT_IN : 0) |
                 (item->revents & ZMQ_POLLOUT ? CURL_CSELECT_OUT : 0) |
                 (item->revents & ZMQ_POLLERR ? CURL_CSELECT_ERR : 0);
    act(arg, item->fd, events);
    return 0;
}

static int on_socket_wish(CURL *easy, curl_socket_t socket, int what, void *arg, void *socket_arg)
{
    (void)easy;
    (void)socket_arg;
    uplink_t *self = arg;
    zmq_pollitem_t item = {.fd = socket};
    zloop_poller_end(self->loop, &item);
    if (what == CURL_POLL_REMOVE) return 0;
    item.events = (short)((what & CURL_POLL_IN ? ZMQ_POLLIN : 0) | (what & CURL_POLL_OUT ? ZMQ_POLLOUT : 0));
    return zloop_poller(self->loop, &item, on_socket_ready, self);
}

static void on_time(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wish(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    uplink_t *self = arg;
    if (ms < 0)
        oneshot_stop(&self->timer);
    else
        oneshot_set(&self->timer, (size_t)ms);
    return 0;
}

static bool open_multi(uplink_t *self)
{
    self->multi = curl_multi_init();
    if (!self->multi) return false;
    (void)curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    (void)curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
    (void)curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    (void)curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    (void)curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, 4L);
    return true;
}

/* ---- one call ---- */

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
    (void)one;
    call_t *call = arg;
    if (size > UPLINK_BODY_MAX - call->reply_size) return 0; /* curl ends the transfer */
    memcpy(call->reply + call->reply_size, data, size);
    call->reply_size += size;
    return size;
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
    (void)one;
    static const char name[] = "x-mykey-time:";
    call_t *call = arg;
    char line[64];
    if (size >= sizeof line || size <= sizeof name || strncasecmp(data, name, sizeof name - 1) != 0) return size;
    memcpy(line, data, size);
    line[size] = '\0';
    call->server_ms = strtoull(line + sizeof name - 1, NULL, 10);
    return size;
}

static void release_transfer(call_t *call)
{
    if (call->easy) {
        (void)curl_multi_remove_handle(call->uplink->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    call->easy = NULL;
    call->headers = NULL;
}

static void release_call(call_t *call)
{
    release_transfer(call);
    if (call->reply) bytes_wipe(call->reply, call->reply_size);
    if (call->body) bytes_wipe(call->body, call->size);
    free(call->reply);
    free(call->body);
    free(call->path);
    free(call->gateway);
    free(call->identity);
    *call = (call_t){0};
}

static void set_security(CURL *easy, const uplink_options *options, const char *identity)
{
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, options->proxy); /* "" also shuts out the environment's */
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, options->server_ca);
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!identity) return;
    (void)curl_easy_setopt(easy, CURLOPT_SSLCERT, identity);
    (void)curl_easy_setopt(easy, CURLOPT_SSLKEY, identity);
}

static void set_request(CURL *easy, call_t *call)
{
    char gateway[160];
    call->headers = curl_slist_append(NULL, "Content-Type: application/x-protobuf");
    call->headers = curl_slist_append(call->headers, "Expect:");
    if (call->gateway) {
        (void)snprintf(gateway, sizeof gateway, "X-Mykey-Gateway: %s", call->gateway);
        call->headers = curl_slist_append(call->headers, gateway);
    }
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "mykey-agent/" MYKEY_VERSION);
    if (!call->body) return;
    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)call->size);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
}

static bool start_transfer(call_t *call)
{
    uplink_t *self = call->uplink;
    char url[URL_SIZE];
    release_transfer(call);
    call->easy = curl_easy_init();
    if (!call->easy) return false;
    call->reply_size = 0;
    call->server_ms = 0;
    call->sent_at_ms = clock_wall_ms();
    (void)snprintf(url, sizeof url, "%s%s", self->options.edge[call->edge], call->path);
    (void)curl_easy_setopt(call->easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(call->easy, CURLOPT_TCP_NODELAY, 1L);
    (void)curl_easy_setopt(call->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    (void)curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    (void)curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, self->renewed ? 1L : 0L);
    set_security(call->easy, &self->options, call->identity);
    set_request(call->easy, call);
    return curl_multi_add_handle(self->multi, call->easy) == CURLM_OK;
}

/* ---- answers ---- */

static void read_incident(const char *text, char out[33])
{
    if (!text || strlen(text) != 32 || strspn(text, "0123456789abcdef") != 32) return;
    memcpy(out, text, 33);
}

static void read_detail(const char *text, char out[33])
{
    if (text && text_is_made_of(text, TEXT_LOWER TEXT_DIGITS "_", 1, 32)) memcpy(out, text, strlen(text) + 1);
}

/* NETWORK_DOWN if the body is not the gateway's: then something on the way answered, and nothing was executed. */
static void read_error(const call_t *call, uplink_answer *out)
{
    ProtobufCMessage *message = NULL;
    out->problem = PROBLEM_NETWORK_DOWN;
    if (call->reply_size == 0 ||
        pb_unpack(&mykey__terminal__error_body__descriptor, call->reply, call->reply_size, &message) != MK_OK)
        return;
    const Mykey__Terminal__ErrorBody *error = (const Mykey__Terminal__ErrorBody *)message;
    if (error->has_code && error->code != MK_OK) {
        out->problem = mk_code_find(error->code)->code;
        out->retry_after_ms = error->has_retry_after_ms ? error->retry_after_ms : 0;
        read_incident(error->incident, out->incident);
        read_detail(error->detail, out->detail);
    }
    pb_free(message);
}

static uplink_answer read_answer(const call_t *call, CURLcode result)
{
    uplink_answer answer = {.problem = PROBLEM_NETWORK_DOWN};
    long status = 0;
    uint64_t now = clock_wall_ms();
    if (result != CURLE_OK) return answer;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    if (call->server_ms > 0) {
        answer.has_clock = true;
        answer.clock_ahead_ms = (int64_t)(call->sent_at_ms + (now - call->sent_at_ms) / 2) - (int64_t)call->server_ms;
    }
    if (status != 200) {
        read_error(call, &answer);
        return answer;
    }
    answer.problem = MK_OK;
    answer.body = call->reply;
    answer.size = call->reply_size;
    return answer;
}

/* The other edge, once, with the same bytes. */
static bool fail_over(call_t *call)
{
    uplink_t *self = call->uplink;
    if (call->tries > 0 || self->options.edge[1][0] == '\0') return false;
    call->tries++;
    call->edge = 1 - call->edge;
    return start_transfer(call);
}

static void finish_call(call_t *call, CURLcode result)
{
    uplink_answer answer = read_answer(call, result);
    if (answer.problem == PROBLEM_NETWORK_DOWN) {
        log_warn("edge_failed", LOG_TEXT(PEER, call->uplink->options.edge[call->edge]), LOG_TEXT(METHOD, call->path),
                 LOG_TEXT(DETAIL, result == CURLE_OK ? "not the gateway's answer" : curl_easy_strerror(result)),
                 LOG_NUMBER(HTTP_STATUS, answer.status));
        if (fail_over(call)) return;
    } else {
        call->uplink->edge = call->edge;
    }
    release_transfer(call);
    call_t done = *call;
    *call = (call_t){0}; /* the slot is free before fn may send again */
    done.fn(&answer, done.arg);
    release_call(&done);
}

static void finish_calls(uplink_t *self)
{
    int left = 0;
    CURLMsg *message = NULL;
    while ((message = curl_multi_info_read(self->multi, &left))) {
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode result = message->data.result;
        char *private = NULL;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        finish_call((call_t *)(void *)private, result);
    }
}

/* ---- public ---- */

uplink_t *uplink_new(zloop_t *loop, const uplink_options *options)
{
    uplink_t *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->loop = loop;
    self->options = *options;
    oneshot_init(&self->timer, loop, on_time, self);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !open_multi(self)) uplink_destroy(&self);
    return self;
}

void uplink_destroy(uplink_t **self_p)
{
    if (!self_p || !*self_p) return;
    uplink_t *self = *self_p;
    for (size_t i = 0; i < UPLINK_CALLS_MAX; i++)
        if (self->calls[i].id) release_call(&self->calls[i]);
    if (self->multi) (void)curl_multi_cleanup(self->multi);
    oneshot_stop(&self->timer);
    curl_global_cleanup();
    free(self);
    *self_p = NULL;
}

/* Drops every connection as soon as no call needs one. */
static void drop_connections(uplink_t *self)
{
    CURLM *old = self->multi;
    for (size_t i = 0; i < UPLINK_CALLS_MAX; i++)
        if (self->calls[i].id) return;
    if (open_multi(self)) {
        (void)curl_multi_cleanup(old);
        self->renewed = false;
    } else {
        self->multi = old;
    }
}

static call_t *free_slot(uplink_t *self)
{
    for (size_t i = 0; i < UPLINK_CALLS_MAX; i++)
        if (self->calls[i].id == 0) return &self->calls[i];
    return NULL;
}

static bool copy_request(call_t *call, const uplink_request *request)
{
    call->path = strdup(request->path);
    call->gateway = request->gateway ? strdup(request->gateway) : NULL;
    call->identity = request->identity ? strdup(request->identity) : NULL;
    call->body = request->body ? malloc(request->size + 1) : NULL;
    call->size = request->size;
    call->timeout_ms = request->timeout_ms;
    call->reply = malloc(UPLINK_BODY_MAX);
    if (!call->path || !call->reply || (request->gateway && !call->gateway) || (request->identity && !call->identity) ||
        (request->body && !call->body))
        return false;
    if (call->body && request->size > 0) memcpy(call->body, request->body, request->size);
    return true;
}

unsigned uplink_send(uplink_t *self, const uplink_request *request, uplink_answer_fn *fn, void *arg)
{
    if (self->renewed) drop_connections(self);
    call_t *call = free_slot(self);
    if (!call) return 0;
    if (++self->last_id == 0) self->last_id = 1;
    *call = (call_t){.id = self->last_id, .uplink = self, .edge = self->edge, .fn = fn, .arg = arg};
    if (!copy_request(call, request) || !start_transfer(call)) {
        release_call(call);
        return 0;
    }
    return call->id;
}

void uplink_cancel(uplink_t *self, unsigned id)
{
    for (size_t i = 0; id != 0 && i < UPLINK_CALLS_MAX; i++)
        if (self->calls[i].id == id) release_call(&self->calls[i]);
}

void uplink_renewed(uplink_t *self)
{
    self->renewed = true;
}
