/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/challenge: what the terminal wants to have signed is judged and recorded; only then is there a nonce. */
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "proto/terminal.pb-c.h"
#include "services/gateway/purpose.h"
#include "services/gateway/route.h"

typedef Mykey__Terminal__ChallengeRequest wish_t;

enum { FULL_RETRY_MS = 2000, DRAIN_RETRY_MS = 500 };

static bool is_municipal(const terminal_t *terminal)
{
    return terminal_operator(terminal)->kind == MYKEY__REGISTRY__OPERATOR_KIND__OPERATOR_KIND_MUNICIPALITY;
}

static mk_code check_assurance(const wish_t *wish)
{
    MK_ENSURE(wish->has_assurance, MK_BAD_REQUEST);
    MK_ENSURE(wish->assurance != MYKEY__ASSURANCE__ASSURANCE_PRESENCE, MK_PRESENCE_UNAVAILABLE);
    return wish->assurance == MYKEY__ASSURANCE__ASSURANCE_PIN ? MK_OK : MK_BAD_REQUEST;
}

static mk_code check_audience(const wish_t *wish, const terminal_t *terminal)
{
    MK_ENSURE(wish->audience != NULL, MK_BAD_REQUEST);
    return strcmp(wish->audience, terminal_operator_id(terminal)) == 0 ? MK_OK : MK_DENIED;
}

static bool has_right_object(const wish_t *wish, const purpose_row *row)
{
    size_t size = wish->has_object ? wish->object.len : 0;
    return size == (row->has_object ? BYTES_SHA256_SIZE : 0);
}

static mk_code check_wish(const wish_t *wish, const terminal_t *terminal, const purpose_row *row,
                          const char **ret_detail)
{
    *ret_detail = "purpose";
    MK_ENSURE(row != NULL, MK_BAD_REQUEST);
    MK_ENSURE(!row->municipal || is_municipal(terminal), MK_OPERATOR_KIND);
    *ret_detail = "assurance";
    MK_TRY(check_assurance(wish));
    *ret_detail = "audience";
    MK_TRY(check_audience(wish, terminal));
    *ret_detail = "object";
    MK_ENSURE(has_right_object(wish, row), MK_BAD_REQUEST);
    *ret_detail = "amount";
    MK_ENSURE(!wish->has_amount || wish->amount == 0, MK_BAD_REQUEST);
    *ret_detail = "unit";
    MK_ENSURE(wish->unit == NULL || wish->unit[0] == '\0', MK_BAD_REQUEST);
    *ret_detail = "request_id";
    MK_ENSURE(wish->has_request_id && wish->request_id.len == BYTES_ID_SIZE, MK_BAD_REQUEST);
    return MK_OK;
}

static challenge make(const wish_t *wish, const terminal_t *terminal, const purpose_row *row)
{
    challenge c = {.purpose = row->purpose, .has_object = row->has_object, .issued_at_ms = clock_wall_ms()};
    snprintf(c.terminal_id, sizeof c.terminal_id, "%s", terminal_id(terminal));
    snprintf(c.audience, sizeof c.audience, "%s", terminal_operator_id(terminal));
    memcpy(c.terminal_key_sha256, terminal_key_sha256(terminal), sizeof c.terminal_key_sha256);
    if (row->has_object) memcpy(c.object, wish->object.data, sizeof c.object);
    memcpy(c.request_id, wish->request_id.data, sizeof c.request_id);
    bytes_random(c.nonce, sizeof c.nonce);
    return c;
}

static void answer(request_t *request, const challenge *c)
{
    gateway_t *gateway = request_gateway(request);
    Mykey__TapStatement statement;
    Mykey__Terminal__Challenge reply = MYKEY__TERMINAL__CHALLENGE__INIT;
    challenge_statement(c, gateway->settings->environment, gateway->settings->origin, &statement);
    reply.statement = &statement;
    reply.gateway = (char *)(uintptr_t)gateway->id;
    request_answer(request, &reply.base);
}

void handle_make_challenge(request_t *request)
{
    gateway_t *gateway = request_gateway(request);
    const wish_t *wish = (const wish_t *)request_message(request);
    const purpose_row *row = wish->has_purpose ? purpose_find(wish->purpose) : NULL;
    const char *detail = NULL;
    mk_code code = gateway->draining ? MK_UNAVAILABLE : check_wish(wish, request_terminal(request), row, &detail);
    if (code != MK_OK) {
        request_fail(request, code, detail, gateway->draining ? DRAIN_RETRY_MS : 0);
        return;
    }
    challenge c = make(wish, request_terminal(request), row);
    code = challenge_store_put(gateway->challenges, &c, clock_mono_ms());
    if (code != MK_OK) {
        request_fail(request, code, "challenges", FULL_RETRY_MS);
        return;
    }
    metric_add(gateway->stats.challenges_issued, 1, row->name, NULL, NULL, NULL);
    answer(request, &c);
}
