/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/terminal: who this terminal is, its operator's settings, the platform's terms, the time. */
#include "common/base/clock.h"
#include "proto/terminal.pb-c.h"
#include "services/gateway/route.h"

void handle_terminal_info(request_t *request)
{
    const gateway_t *gateway = request_gateway(request);
    const terminal_t *terminal = request_terminal(request);
    Mykey__Terminal__TerminalInfo reply = MYKEY__TERMINAL__TERMINAL_INFO__INIT;
    reply.terminal_id = (char *)(uintptr_t)terminal_id(terminal);
    reply.operator_ = (Mykey__Registry__Operator *)(uintptr_t)terminal_operator(terminal);
    reply.environment = gateway->settings->environment;
    reply.origin = gateway->settings->origin;
    reply.has_server_time_ms = true;
    reply.server_time_ms = clock_wall_ms();
    reply.platform_terms_version = gateway->settings->platform_terms_version;
    reply.platform_terms_ja = gateway->platform_terms_ja;
    reply.platform_terms_en = gateway->platform_terms_en;
    request_answer(request, &reply.base);
}
