/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of the terminal API and who answers them. */
#ifndef MYKEY_GATEWAY_ROUTE_H
#define MYKEY_GATEWAY_ROUTE_H

#include <protobuf-c/protobuf-c.h>

#include "proto/terminal.pb-c.h"
#include "services/gateway/request.h"
#include "services/gateway/routes.tbl.h"

typedef void route_handler_fn(request_t *request);

struct route {
    const char *http_method, *path; /* static; the path is the metrics' label */
    bool needs_terminal;
    const ProtobufCMessageDescriptor *body_type; /* NULL: no body */
    route_handler_fn *handle;
    uint32_t deadline_ms;
    admission_class admission;
};

/* NOT_FOUND: no such path; UNKNOWN_METHOD: not with this HTTP method. */
mk_code route_find(const char *http_method, const char *path, const route_t **ret_route) MK_CHECKED;

/* The descriptor of a row's body. */
#define ROUTE_BODY(name) ROUTE_BODY_##name
#define ROUTE_BODY_NONE NULL
#define ROUTE_BODY_challenge_request &mykey__terminal__challenge_request__descriptor
#define ROUTE_BODY_tap_request &mykey__terminal__tap_request__descriptor
#define ROUTE_BODY_undo_link &mykey__terminal__undo_link__descriptor
#define ROUTE_BODY_suspend &mykey__terminal__suspend__descriptor
#define ROUTE_BODY_renew &mykey__terminal__renew__descriptor
#define ROUTE_BODY_enrol &mykey__terminal__enrol__descriptor
#define ROUTE_BODY_enrol_result &mykey__terminal__enrol_result__descriptor

#define ROUTE_HANDLER(http_method, path, terminal, body, handler, deadline, class) route_handler_fn handle_##handler;
ROUTE_TABLE(ROUTE_HANDLER)
#undef ROUTE_HANDLER

#endif
