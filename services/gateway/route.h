/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of the terminal API and who answers them. */
#ifndef MYKEY_GATEWAY_ROUTE_H
#define MYKEY_GATEWAY_ROUTE_H

#include <protobuf-c/protobuf-c.h>

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

#define ROUTE_HANDLER(http_method, path, terminal, body, handler, deadline, class) route_handler_fn handle_##handler;
ROUTE_TABLE(ROUTE_HANDLER)
#undef ROUTE_HANDLER

#endif
