/* SPDX-License-Identifier: Apache-2.0 */
/* What an edge may answer the load generator: a whole answer lies within its bytes, and every shorter piece of it is
 * partial, however it came.
 * Parsers: tools/load/answer.c */
#include <stdlib.h>

#include "tools/load/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const answer_t *answer, const uint8_t *data, size_t size)
{
    const uint8_t *gateway = (const uint8_t *)answer->gateway;
    if (answer->status < 200 || answer->status > 599 || answer->body_size > ANSWER_BODY_MAX) abort();
    if (answer->body < data || answer->body + answer->body_size != data + size) abort();
    if (gateway && (gateway < data || gateway + answer->gateway_size > answer->body)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    answer_t answer, shorter;
    if (answer_read(data, size, &answer) != ANSWER_WHOLE) return 0;
    check_bounds(&answer, data, size);
    for (size_t cut = 0; cut < size; cut++)
        if (answer_read(data, cut, &shorter) != ANSWER_PARTIAL) abort();
    return 0;
}
