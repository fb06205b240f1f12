/* SPDX-License-Identifier: Apache-2.0 */
/* What an edge may ask of the gateway: lines METHOD, path, X-Mykey-Edge, X-Mykey-Client-Sha256, Content-Type ("-" = not
 * there), then the body. A handler is reached only with the edge's secret, on its own path, with the terminal and the
 * message that its route says; and every request is answered once.
 * Parsers: services/gateway/request.c services/gateway/route.c services/gateway/purpose.c common/pb/pb.c */
#include "tests/fuzz/fuzz.h"

#include "common/pb/pb.h"
#include "services/gateway/purpose.h"
#include "services/gateway/request.h"
#include "services/gateway/route.h"
#include "services/gateway/secret.c"

static const char secret_line[] = "edge 0123456789abcdef0123456789abcdef";
static request_head head;
static unsigned handled;

/* ---- handlers: what they may rely on ---- */

static void check_tap(const request_t *request)
{
    const Mykey__Terminal__TapRequest *tap = (const Mykey__Terminal__TapRequest *)request_message(request);
    for (uint32_t purpose = 0; purpose < 12; purpose++) {
        purpose_request out;
        const purpose_row *row = purpose_find(purpose);
        if (row == NULL) continue;
        purpose_make_request(row, tap, tap->nonce, &out);
        HOLDS(protobuf_c_message_get_packed_size(&out.base) <= 2 * REQUEST_BODY_MAX);
    }
}

static void handle(request_t *request, const char *path, const ProtobufCMessageDescriptor *type, bool terminal)
{
    const ProtobufCMessage *message = request_message(request);
    HOLDS(++handled == 1 && strcmp(head.path, path) == 0 && strcmp(head.edge_secret, secret_line + 5) == 0);
    HOLDS((message == NULL) == (type == NULL) && (type == NULL || message->descriptor == type));
    HOLDS(!terminal || (request_terminal(request) != NULL && strlen(head.client_sha256) == 64));
    HOLDS(strlen(request_trace(request)) == 32 && request_remaining_ms(request) > 0);
    if (type == &mykey__terminal__tap_request__descriptor) check_tap(request);
    Mykey__Terminal__Done done = MYKEY__TERMINAL__DONE__INIT;
    request_answer(request, &done.base);
}

#define HANDLER(http_method, path, terminal, body, handler, deadline, class) \
    void handle_##handler(request_t *request)                                \
    {                                                                        \
        handle(request, path, ROUTE_BODY(body), terminal);                   \
    }
ROUTE_TABLE(HANDLER)

/* ---- the registry: knows every certificate that doesn't begin with FF ---- */

static void ask(terminal_question_t *question, const uint8_t sha256[TERMINAL_SHA256_SIZE], void *arg)
{
    static uint8_t key[32];
    static char id[] = "t-1", op[] = "library-1";
    Mykey__Registry__Operator operator= MYKEY__REGISTRY__OPERATOR__INIT;
    Mykey__Registry__Terminal terminal = MYKEY__REGISTRY__TERMINAL__INIT;
    Mykey__Registry__FindTerminalReply reply = MYKEY__REGISTRY__FIND_TERMINAL_REPLY__INIT;
    ProtobufCMessage *copy = NULL;
    size_t size;
    (void)arg;
    operator.operator_id = terminal.operator_id = op;
    terminal.terminal_id = id;
    terminal.has_key_sha256 = terminal.has_state = true;
    terminal.key_sha256 = (ProtobufCBinaryData){sizeof key, key};
    terminal.state = MYKEY__REGISTRY__TERMINAL_STATE__TERMINAL_STATE_ACTIVE;
    reply.terminal = &terminal;
    reply.operator_ = &operator;
    uint8_t *data = pb_pack(&reply.base, &size);
    HOLDS(pb_unpack(&mykey__registry__find_terminal_reply__descriptor, data, size, &copy) == MK_OK);
    free(data);
    bool known = sha256[0] != 0xff;
    if (!known) pb_free(copy);
    terminal_table_answer(question, known ? MK_OK : MK_TERMINAL_UNKNOWN, 0,
                          known ? (Mykey__Registry__FindTerminalReply *)copy : NULL);
}

static gateway_t *make_gateway(void)
{
    static const admission_limits limits = {.all = {1000000000, 1000000000},
                                            .outstanding_max = 10,
                                            .enrol = {1000000000, 1000000000},
                                            .terminal = {1000000000, 1000000000},
                                            .terminals_max = 100};
    static edge_secret_t secret;
    static gateway_t self;
    char line[sizeof secret_line];
    memcpy(line, secret_line, sizeof line);
    HOLDS(parse(line, &secret) == MK_OK);
    self.secret = &secret;
    self.admission = admission_new(&limits);
    self.terminals = terminal_table_new(16, ask, &self);
    static metrics_t *metrics;
    metrics = metrics_new();
    self.stats = stats_declare(metrics);
    return &self;
}

/* ---- requests ---- */

static void answered(void *arg)
{
    (void)arg;
    abort(); /* everything here is answered from inside */
}

static const char *take_header(char **rest)
{
    const char *line = fuzz_cut(rest, '\n');
    return strcmp(line, "-") == 0 ? NULL : line;
}

static void run(gateway_t *gateway, const char *body, size_t size)
{
    request_answer_view view;
    handled = 0;
    request_t *request = request_new(gateway, &head, answered, NULL);
    for (size_t piece; size > 0; size -= piece, body += piece) {
        piece = size < 1000 ? size : 1000;
        request_add_body(request, body, piece);
    }
    request_run(request);
    HOLDS(request_get_answer(request, &view) && (view.http_status == 200) == (handled == 1));
    HOLDS(handled == 1 || view.body_size > 0);
    request_destroy(&request);
    HOLDS(admission_outstanding(gateway->admission) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gateway_t *gateway;
    if (gateway == NULL) gateway = make_gateway();
    char *text = fuzz_text(data, size), *rest = text;
    head.http_method = fuzz_cut(&rest, '\n');
    head.path = fuzz_cut(&rest, '\n');
    head.edge_secret = take_header(&rest);
    head.client_sha256 = take_header(&rest);
    head.content_type = take_header(&rest);
    run(gateway, rest, size - (size_t)(rest - text));
    free(text);
    return 0;
}
