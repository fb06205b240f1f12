/* SPDX-License-Identifier: Apache-2.0 */
/* Heap, map, key files, and the library without a broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bus/bus.h"
#include "common/bus/bus_heap.h"
#include "common/bus/bus_key.h"
#include "common/bus/bus_map.h"

static void heap_gives_the_earliest(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static bus_heap_node nodes[COUNT];
    bus_heap heap = {0};
    srandom(7);
    for (int i = 0; i < COUNT; i++) bus_heap_set(&heap, &nodes[i], (uint64_t)random() % 1000);
    for (int i = 0; i < COUNT; i += 3) bus_heap_set(&heap, &nodes[i], (uint64_t)random() % 1000);
    for (int i = 1; i < COUNT; i += 5) bus_heap_remove(&heap, &nodes[i]);
    bus_heap_remove(&heap, &nodes[1]);
    uint64_t last = 0;
    size_t count = 0;
    for (bus_heap_node *node; (node = bus_heap_first(&heap)); count++) {
        assert_true(node->when_us >= last);
        last = node->when_us;
        bus_heap_remove(&heap, node);
    }
    assert_int_equal(count, COUNT - COUNT / 5);
    bus_heap_free(&heap);
}

static void map_finds_all_and_only_what_is_in(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    typedef struct item {
        bus_map_node node;
        int key;
    } item;
    item *items = calloc(COUNT, sizeof *items);
    bus_map map;
    bus_map_init(&map);
    for (int i = 0; i < COUNT; i++) {
        items[i].key = i;
        bus_map_add(&map, &items[i].node, bus_hash(0, &i, sizeof i) % 1000); /* many share a hash */
    }
    for (int i = 0; i < COUNT; i += 2) bus_map_remove(&map, &items[i].node);
    for (int i = 0; i < COUNT; i++) {
        bool found = false;
        for (bus_map_node *node = NULL; (node = bus_map_find(&map, bus_hash(0, &i, sizeof i) % 1000, node));)
            found = found || node == &items[i].node;
        assert_true(found == (i % 2 == 1));
    }
    assert_int_equal(map.count, COUNT / 2);
    bus_map_free(&map);
    free(items);
}

static char folder[] = "/tmp/mkbuskey-XXXXXX";
static char secret[64], public[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(secret, sizeof secret, "%s/a.key", folder);
    snprintf(public, sizeof public, "%s/a.pub", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(secret);
    unlink(public);
    return rmdir(folder);
}

static void key_files(void **state)
{
    (void)state;
    bus_key key;
    char text[BUS_KEY_TEXT + 1];
    const char *why = NULL;
    struct stat st;
    assert_int_equal(bus_key_load_secret(secret, &key, &why), MK_UNAVAILABLE);
    assert_int_equal(bus_key_create(secret, public), MK_OK);
    assert_true(stat(secret, &st) == 0 && (st.st_mode & 07777) == 0400);
    assert_int_equal(bus_key_create(secret, public), MK_CONFLICT);
    assert_int_equal(bus_key_load_secret(secret, &key, &why), MK_OK);
    assert_int_equal(bus_key_load_public(public, text, &why), MK_OK);
    assert_string_equal(text, key.public_text);
    assert_int_equal(bus_key_load_public(secret, text, &why), MK_OK);
    assert_int_equal(bus_key_load_secret(public, &key, &why), MK_UNAVAILABLE); /* mode 0444, no secret */
    assert_int_equal(chmod(secret, 0440), 0);
    assert_int_equal(bus_key_load_secret(secret, &key, &why), MK_UNAVAILABLE);
    assert_string_equal(why, "must have mode 0400");
    assert_int_equal(bus_key_load_secret("/", &key, &why), MK_UNAVAILABLE);
    zcert_t *cert = zcert_load(public);
    assert_non_null(cert); /* czmq reads it too */
    assert_string_equal(zcert_public_txt(cert), text);
    zcert_destroy(&cert);
}

static void key_texts(void **state)
{
    (void)state;
    assert_true(bus_key_text_valid("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"));
    assert_false(bus_key_text_valid(""));
    assert_false(bus_key_text_valid("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf"));
    assert_false(bus_key_text_valid("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_gives_the_earliest),
        cmocka_unit_test(map_finds_all_and_only_what_is_in),
        cmocka_unit_test_setup_teardown(key_files, make_folder, remove_folder),
        cmocka_unit_test(key_texts),
    };
    setenv("ZSYS_SIGHANDLER", "false", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
