/* SPDX-License-Identifier: Apache-2.0 */
/* What may answer an agent: header lines up to an empty one, then the body of a refusal. No more than the bound is
 * kept, and what is shown of it is of its alphabet.
 * Parsers: agent/uplink.c agent/problem.c common/pb/pb.c */
#include "tests/fuzz/fuzz.h"

#include "agent/uplink.c"

static void check_answer(const uplink_answer *answer)
{
    HOLDS(answer->problem != MK_OK && strcmp(problem_name(answer->problem), "") != 0);
    HOLDS(answer->body == NULL && answer->size == 0);
    HOLDS(strlen(answer->incident) == 32 || answer->incident[0] == '\0');
    HOLDS(strspn(answer->incident, "0123456789abcdef") == strlen(answer->incident));
    HOLDS(text_is_made_of(answer->detail, TEXT_LOWER TEXT_DIGITS "_", 0, 32));
}

/* In pieces and again and again, as a peer may send it. */
static void add_body(call_t *call, const uint8_t *data, size_t size)
{
    size_t before = call->reply_size;
    uint8_t *copy = malloc(size + 1);
    HOLDS(copy != NULL);
    if (size > 0) memcpy(copy, data, size);
    size_t took = on_body((char *)copy, 1, size, call);
    HOLDS((took == size && call->reply_size == before + size) || (took == 0 && call->reply_size == before));
    HOLDS(call->reply_size <= UPLINK_BODY_MAX);
    free(copy);
}

static size_t add_headers(call_t *call, const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (at < size) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t line = end == NULL ? size - at : (size_t)(end - data) + 1 - at;
        uint8_t *copy = malloc(line);
        HOLDS(copy != NULL);
        memcpy(copy, data + at, line);
        HOLDS(on_header((char *)copy, 1, line, call) == line);
        free(copy);
        at += line;
        if (line == 1) break;
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uplink_answer answer = {.problem = MK_OK};
    call_t call = {.reply = malloc(UPLINK_BODY_MAX)};
    HOLDS(call.reply != NULL);
    size_t at = add_headers(&call, data, size);
    add_body(&call, data + at, size - at);
    read_error(&call, &answer);
    check_answer(&answer);
    for (int i = 0; i < 20; i++) add_body(&call, data, size);
    free(call.reply);
    return 0;
}
