/* SPDX-License-Identifier: Apache-2.0 */
#include "services/gateway/route.h"

#include <string.h>

#define ROUTE_ROW(http_method, path, terminal, body, handler, deadline, class) \
    {http_method, path, terminal, ROUTE_BODY(body), handle_##handler, deadline, class},
static const route_t routes[] = {ROUTE_TABLE(ROUTE_ROW)};

mk_code route_find(const char *http_method, const char *path, const route_t **ret_route)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].path, path) != 0) continue;
        MK_ENSURE(strcmp(routes[i].http_method, http_method) == 0, MK_UNKNOWN_METHOD);
        *ret_route = &routes[i];
        return MK_OK;
    }
    return MK_NOT_FOUND;
}
