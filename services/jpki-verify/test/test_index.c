/* SPDX-License-Identifier: Apache-2.0 */
/* The index file, the union of several, and the loader's folder. */
#include "services/jpki-verify/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/jpki-verify/parts.h"

enum { SERIALS = 5 };

/* A list of the key `key` for the point `point` (0: whole): serials 100·key + point …, the last one held. */
typedef struct made {
    size_t size;
    uint8_t *data;
    index_view view;
} made;

static void fill(void *data, uint8_t key, uint8_t point, uint32_t number, int64_t this_update)
{
    index_part part = {.this_update = this_update, .next_update = this_update + 100};
    serials_builder revoked, held;
    part.key.issuer_key[0] = key;
    part.key.point[INDEX_HASH_SIZE - 1] = point;
    for (int i = 0; i < 4; i++) part.number[INDEX_NUMBER_SIZE - 1 - i] = (uint8_t)(number >> 8 * i);
    index_one_begin(data, &part, SERIALS - 1, 1, &revoked, &held);
    for (uint32_t i = 0; i < SERIALS - 1; i++) serials_put(&revoked, 100u * key + point + i);
    serials_put(&held, 100u * key + point + SERIALS - 1);
    serials_done(&revoked);
    serials_done(&held);
    index_seal(data);
}

static made make(uint8_t key, uint8_t point)
{
    made out = {.size = index_one_size(SERIALS - 1, 1)};
    out.data = calloc(1, out.size);
    fill(out.data, key, point, 1, 1000);
    assert_true(index_open(&out.view, out.data, out.size));
    return out;
}

static void check_part(const index_view *index, uint8_t key, uint8_t point)
{
    index_key wanted = {.issuer_key = {key}};
    wanted.point[INDEX_HASH_SIZE - 1] = point;
    const index_part *part = index_find(index, &wanted);
    assert_non_null(part);
    assert_int_equal(index_count(index, part), SERIALS);
    for (uint32_t i = 0; i < SERIALS; i++) assert_true(index_has(index, part, 100u * key + point + i));
    assert_false(index_has(index, part, 100u * key + point - 1));
    assert_false(index_has(index, part, 100u * key + point + SERIALS));
    assert_false(index_has(index, part, 100u * (key + 1u) + point));
    wanted.point[0] = 1;
    assert_null(index_find(index, &wanted));
}

static void one_part(void **state)
{
    (void)state;
    made one = make(3, 0);
    assert_int_equal(one.view.part_count, 1);
    check_part(&one.view, 3, 0);
    free(one.data);
}

static void union_has_all(void **state)
{
    (void)state;
    static const uint8_t keys[][2] = {{9, 0}, {1, 7}, {9, 3}, {1, 0}, {4, 4}};
    made all[5];
    const index_view *views[5];
    index_view whole;
    for (size_t i = 0; i < 5; i++) {
        all[i] = make(keys[i][0], keys[i][1]);
        views[i] = &all[i].view;
    }
    size_t size = index_union_size(views, 5);
    uint8_t *data = calloc(1, size);
    assert_true(index_union(data, views, 5) && index_open(&whole, data, size));
    for (size_t i = 0; i < 5; i++) check_part(&whole, keys[i][0], keys[i][1]);
    free(data);
    data = calloc(1, index_union_size(views, 0));
    assert_true(index_union(data, views, 0) && index_open(&whole, data, index_union_size(views, 0)));
    assert_int_equal(whole.part_count, 0);
    free(data);
    for (size_t i = 0; i < 5; i++) free(all[i].data);
}

static void union_of_one_key_twice_is_none(void **state)
{
    (void)state;
    made one = make(3, 0), again = make(3, 0);
    const index_view *views[] = {&one.view, &again.view};
    uint8_t *data = calloc(1, index_union_size(views, 2));
    assert_false(index_union(data, views, 2));
    free(data);
    free(one.data);
    free(again.data);
}

/* Sealed again after each change, so that the digest is not what refuses it. */
static void refuse(const made *from, size_t at, uint64_t value)
{
    index_view view;
    uint8_t *copy = malloc(from->size);
    memcpy(copy, from->data, from->size);
    memcpy(copy + at, &value, sizeof value);
    if (at != offsetof(index_header, size)) index_seal(copy);
    assert_false(index_open(&view, copy, from->size));
    free(copy);
}

static void wrong_forms_are_none(void **state)
{
    (void)state;
    index_view view;
    made one = make(3, 0);
    const size_t part = sizeof(index_header);
    refuse(&one, 0, 0);
    refuse(&one, offsetof(index_header, size), one.size + 8);
    refuse(&one, offsetof(index_header, part_count), 2);
    refuse(&one, offsetof(index_header, part_count), UINT64_MAX / sizeof(index_part) + 2);
    refuse(&one, part + offsetof(index_part, revoked_at), 4);
    refuse(&one, part + offsetof(index_part, revoked_at), one.size);
    refuse(&one, part + offsetof(index_part, revoked_at), UINT64_MAX - 7);
    refuse(&one, part + offsetof(index_part, revoked_size), UINT64_MAX);
    refuse(&one, part + offsetof(index_part, held_size), 8);
    refuse(&one, one.view.parts[0].revoked_at, 77); /* the set's own count */
    for (size_t i = 0; i < one.size; i++) {
        one.data[i] ^= 0x10;
        assert_false(index_open(&view, one.data, one.size));
        one.data[i] ^= 0x10;
    }
    assert_false(index_open(&view, one.data, one.size - 8));
    assert_false(index_open(&view, one.data, 0));
    assert_true(index_open(&view, one.data, one.size));
    free(one.data);
}

/* ---- the loader's folder ---- */

static char folder[64];
static parts_t *parts;

static int setup(void **state)
{
    (void)state;
    const char *why;
    snprintf(folder, sizeof folder, "/tmp/mykey-parts-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    parts = parts_new(folder, &why);
    return parts != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    parts_destroy(&parts);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static list_fault take(uint8_t key, uint32_t number, int64_t this_update, bool *ret_changed)
{
    size_t size = index_one_size(SERIALS - 1, 1);
    uint8_t *data = calloc(1, size);
    fill(data, key, 0, number, this_update);
    int fd = parts_begin(parts);
    assert_true(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    free(data);
    return parts_take(parts, ret_changed);
}

static size_t published(int64_t now_s)
{
    parts_state found;
    assert_true(parts_publish(parts, now_s, &found));
    return found.parts;
}

static void newer_lists_only(void **state)
{
    (void)state;
    static const struct {
        uint32_t number;
        int64_t this_update;
        list_fault fault;
        bool changed;
    } rows[] = {
        {5, 1000, LIST_TAKEN, true},       {5, 1000, LIST_TAKEN, false},        {4, 1000, LIST_FAULT_OLDER, true},
        {4, 2000, LIST_FAULT_OLDER, true}, {5, 2000, LIST_FAULT_OLDER, true},   {6, 999, LIST_FAULT_OLDER, true},
        {300, 1000, LIST_TAKEN, true},     {255, 3000, LIST_FAULT_OLDER, true}, {301, 3000, LIST_TAKEN, true},
    };
    bool changed;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(take(1, rows[i].number, rows[i].this_update, &changed), rows[i].fault);
        if (rows[i].fault == LIST_TAKEN) assert_int_equal(changed, rows[i].changed);
    }
    assert_int_equal(take(2, 1, 1, &changed), LIST_TAKEN); /* of another key */
    assert_int_equal(published(50), 2);
}

static void what_is_no_part_is_not_taken(void **state)
{
    (void)state;
    bool changed;
    int fd = parts_begin(parts);
    assert_int_equal(write(fd, "garbage", 7), 7);
    assert_int_equal(parts_take(parts, &changed), LIST_FAULT_READER);
    assert_true(parts_begin(parts) >= 0);
    assert_int_equal(parts_take(parts, &changed), LIST_FAULT_READER);
    assert_int_equal(published(0), 0);
}

static void long_ended_parts_go(void **state)
{
    (void)state;
    bool changed;
    assert_int_equal(take(1, 1, 1000, &changed), LIST_TAKEN);
    assert_int_equal(take(2, 1, 5000, &changed), LIST_TAKEN);
    assert_int_equal(published(1100 + PARTS_KEPT_S), 2);
    assert_int_equal(published(1101 + PARTS_KEPT_S), 1);
    assert_int_equal(published(0), 1);
}

/* Killed at any point: what is half done is removed, what was there stays. */
static void half_done_is_removed(void **state)
{
    (void)state;
    bool changed;
    const char *why;
    char path[128];
    assert_int_equal(take(1, 1, 1000, &changed), LIST_TAKEN);
    assert_int_equal(published(1000), 1);
    int fd = parts_begin(parts);
    assert_int_equal(write(fd, "half", 4), 4);
    snprintf(path, sizeof path, "%s/.index", folder);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    parts_t *again = parts_new(folder, &why);
    assert_non_null(again);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s/parts/new", folder);
    assert_int_equal(access(path, F_OK), -1);
    parts_destroy(&again);
    assert_int_equal(published(1000), 1);
}

static void scratch_has_no_name(void **state)
{
    (void)state;
    struct stat info;
    int fd = parts_scratch(parts);
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    assert_int_equal(info.st_nlink, 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_part),
        cmocka_unit_test(union_has_all),
        cmocka_unit_test(union_of_one_key_twice_is_none),
        cmocka_unit_test(wrong_forms_are_none),
        cmocka_unit_test_setup_teardown(newer_lists_only, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_part_is_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(long_ended_parts_go, setup, teardown),
        cmocka_unit_test_setup_teardown(half_done_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(scratch_has_no_name, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
