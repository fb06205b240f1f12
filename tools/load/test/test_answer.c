/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Mykey-Gateway: gw-1\r\n\r\nhello"

/* From memory of exactly this size, so that a sanitizer sees a byte too far. */
static answer_state read_bytes(const char *data, size_t size, answer_t *ret_answer)
{
    static answer_t answer;
    static uint8_t *copy;
    free(copy);
    copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    memset(&answer, 0, sizeof answer);
    answer_state state = answer_read(copy, size, &answer);
    if (ret_answer) *ret_answer = answer;
    if (!ret_answer) {
        free(copy);
        copy = NULL;
    }
    return state;
}

static answer_state read_text(const char *text)
{
    return read_bytes(text, strlen(text), NULL);
}

static void test_good(void **state)
{
    (void)state;
    answer_t answer;
    assert_int_equal(read_bytes(GOOD, strlen(GOOD), &answer), ANSWER_WHOLE);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_size, 5);
    assert_memory_equal(answer.body, "hello", 5);
    assert_int_equal(answer.gateway_size, 4);
    assert_memory_equal(answer.gateway, "gw-1", 4);
    assert_false(answer.close);
    assert_int_equal(read_bytes("", 0, NULL), ANSWER_PARTIAL);
}

static void test_split_at_each_byte(void **state)
{
    (void)state;
    for (size_t size = 0; size < strlen(GOOD); size++) assert_int_equal(read_bytes(GOOD, size, NULL), ANSWER_PARTIAL);
    for (size_t size = strlen(GOOD); size < sizeof GOOD; size++)
        assert_int_equal(read_bytes(GOOD "x", size, NULL), ANSWER_WHOLE + (size > strlen(GOOD)));
}

static void test_details_that_are_fine(void **state)
{
    (void)state;
    answer_t answer;
    const char *close = "HTTP/1.1 503\r\ncontent-length:0 \t\r\nconnection: Close\r\nx-other:\r\n\r\n";
    assert_int_equal(read_bytes(close, strlen(close), &answer), ANSWER_WHOLE);
    assert_int_equal(answer.status, 503);
    assert_int_equal(answer.body_size, 0);
    assert_null(answer.gateway);
    assert_true(answer.close);
    assert_int_equal(read_text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), ANSWER_WHOLE);
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTX",
        "\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 O\001K\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Mykey-Gateway: gw-1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 000005\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Mykey-Gateway: a\r\nX-Mykey-Gateway: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Mykey-Gateway: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nnonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n: nameless\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: b\nX-B: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: b\177\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (read_text(texts[i]) != ANSWER_BAD) fail_msg("not refused: %s", texts[i]);
    }
}

static void test_nul_in_a_header(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: \0b\r\n\r\n";
    static const char name[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX\0A: b\r\n\r\n";
    static const char value[] = "HTTP/1.1 200 OK\r\nContent-Length: \0000\r\n\r\n";
    assert_int_equal(read_bytes(text, sizeof text - 1, NULL), ANSWER_BAD);
    assert_int_equal(read_bytes(name, sizeof name - 1, NULL), ANSWER_BAD);
    assert_int_equal(read_bytes(value, sizeof value - 1, NULL), ANSWER_BAD);
}

static void test_head_too_long(void **state)
{
    (void)state;
    static char text[ANSWER_HEAD_MAX + 64];
    static const char start[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: ", end[] = "\r\n\r\n";
    memset(text, 'a', sizeof text);
    memcpy(text, start, sizeof start - 1);
    assert_int_equal(read_bytes(text, ANSWER_HEAD_MAX - 1, NULL), ANSWER_PARTIAL);
    assert_int_equal(read_bytes(text, ANSWER_HEAD_MAX, NULL), ANSWER_BAD);
    memcpy(text + ANSWER_HEAD_MAX - 4, end, 4);
    assert_int_equal(read_bytes(text, ANSWER_HEAD_MAX, NULL), ANSWER_WHOLE);
    memset(text + ANSWER_HEAD_MAX - 4, 'a', 4);
    memcpy(text + ANSWER_HEAD_MAX - 3, end, 4);
    assert_int_equal(read_bytes(text, ANSWER_HEAD_MAX + 1, NULL), ANSWER_BAD);
}

static void test_largest_body(void **state)
{
    (void)state;
    static char text[ANSWER_MAX + 1];
    answer_t answer;
    int head = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", ANSWER_BODY_MAX);
    size_t size = (size_t)head + ANSWER_BODY_MAX;
    assert_int_equal(read_bytes(text, size - 1, NULL), ANSWER_PARTIAL);
    assert_int_equal(read_bytes(text, size, &answer), ANSWER_WHOLE);
    assert_int_equal(answer.body_size, ANSWER_BODY_MAX);
    assert_int_equal(read_bytes(text, size + 1, NULL), ANSWER_BAD);
    (void)read_bytes("", 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_split_at_each_byte),
        cmocka_unit_test(test_details_that_are_fine),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_nul_in_a_header),
        cmocka_unit_test(test_head_too_long),
        cmocka_unit_test(test_largest_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
