/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/load/queue.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>

#include <cmocka.h>

static void test_order_while_it_wraps_and_grows(void **state)
{
    (void)state;
    queue_t queue = {0};
    uint64_t pushed = 0, popped = 0, value = 0;
    assert_false(queue_pop(&queue, &value));
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 5; i++) queue_push(&queue, pushed++);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(queue_peek(&queue), popped);
            assert_true(queue_pop(&queue, &value));
            assert_int_equal(value, popped++);
        }
    }
    while (queue_pop(&queue, &value)) assert_int_equal(value, popped++);
    assert_int_equal(popped, pushed);
    queue_clear(&queue);
    assert_false(queue_pop(&queue, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order_while_it_wraps_and_grows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
