/* SPDX-License-Identifier: Apache-2.0 */
/* Revocation lists: every wrong one of tools/testca, entries in any order and number, and roots that are not roots. */
#include "services/jpki-verify/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "services/jpki-verify/test/authority.h"

static trust_t *trust;

static int setup(void **state)
{
    if (authority_setup(state) != 0) return -1;
    trust = authority_trust(false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trust_destroy(&trust);
    return 0;
}

static void wrong_lists_are_not_taken(void **state)
{
    (void)state;
    index_view index;
    authority_row rows[AUTHORITY_ROWS_MAX];
    size_t count = authority_index("variants/crl/index", rows);
    assert_true(count >= 24);
    for (size_t i = 0; i < count; i++) {
        der_t data = authority_read("variants/crl/%s.crl", rows[i].name);
        list_fault fault = authority_take(trust, data, &index);
        if (strcmp(list_fault_name(fault), rows[i].second) != 0)
            fail_msg("%s: %s", rows[i].name, list_fault_name(fault));
        authority_free(data);
    }
}

static void every_fault_of_reading_has_a_list(void **state)
{
    (void)state;
    authority_row rows[AUTHORITY_ROWS_MAX];
    size_t count = authority_index("variants/crl/index", rows);
    for (list_fault fault = LIST_TAKEN + 1; fault < LIST_FAULT_OLDER; fault++) {
        bool found = false;
        for (size_t i = 0; i < count; i++) found |= strcmp(rows[i].second, list_fault_name(fault)) == 0;
        if (!found) fail_msg("no list with the fault %s", list_fault_name(fault));
    }
}

static void part_is_of_the_list(void **state)
{
    (void)state;
    list_t list;
    index_view index;
    der_t data = authority_read("crl/auth-2.crl");
    assert_int_equal(list_read(data, trust->profile, &list), LIST_TAKEN);
    assert_int_equal(authority_take(trust, data, &index), LIST_TAKEN);
    const index_part *part = &index.parts[0];
    assert_memory_equal(part->key.issuer_key, trust->roots[1].key_sha256, sizeof part->key.issuer_key);
    assert_memory_equal(part->key.point, (uint8_t[INDEX_HASH_SIZE]){0}, sizeof part->key.point);
    assert_int_equal(part->this_update, list.this_update);
    assert_int_equal(part->next_update, list.next_update);
    assert_memory_equal(part->number + sizeof part->number - list.number.size, list.number.data, list.number.size);
    authority_free(data);
}

static void every_listed_serial_is_found(void **state)
{
    (void)state;
    list_t list;
    list_entry entry;
    index_view index;
    der_t data = authority_read("crl/auth-2.crl");
    assert_int_equal(list_read(data, trust->profile, &list), LIST_TAKEN);
    assert_int_equal(authority_take(trust, data, &index), LIST_TAKEN);
    size_t count = 0;
    for (; list.entries.size > 0; count++) {
        assert_true(list_next(&list.entries, &entry) && entry.is_kept);
        assert_true(index_has(&index, &index.parts[0], entry.serial));
    }
    assert_int_equal(count, index_count(&index, &index.parts[0]));
    assert_true(count >= 3);
    assert_false(index_has(&index, &index.parts[0], 0));
    assert_false(index_has(&index, &index.parts[0], UINT32_MAX));
    authority_free(data);
}

static void changed_octets_are_not_taken(void **state)
{
    (void)state;
    index_view index;
    der_t data = authority_read("crl/auth-2.crl");
    uint8_t *octets = (uint8_t *)data.data;
    for (size_t i = 0; i < data.size; i++) {
        octets[i] ^= 0x01;
        assert_int_not_equal(authority_take(trust, data, &index), LIST_TAKEN);
        octets[i] ^= 0x01;
    }
    authority_free(data);
}

/* ---- entries made here: only the signature would need the authority ---- */

typedef struct entries {
    uint8_t *data;
    size_t size;
} entries;

/* serial, 2026-01-01, and for a held one the reason */
static void add_entry(entries *self, uint32_t serial, bool held)
{
    static const uint8_t hold[] = {0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01, 0x06};
    uint8_t *at = self->data + self->size;
    size_t reason = held ? sizeof hold : 0;
    *at++ = 0x30;
    *at++ = (uint8_t)(2 + 5 + 15 + reason);
    *at++ = 0x02;
    *at++ = 5; /* always with a zero in front: serials are taken from 2^31 on */
    *at++ = 0;
    for (int shift = 24; shift >= 0; shift -= 8) *at++ = (uint8_t)(serial >> shift);
    memcpy(at,
           "\x17\x0d"
           "260101000000Z",
           15);
    memcpy(at + 15, hold, reason);
    self->size = (size_t)(at + 15 + reason - self->data);
}

static list_fault write_entries(const entries *from, der_passed_fn *passed, index_view *ret_index)
{
    const list_t list = {.entries = {from->data, from->size}};
    const index_part part = {.next_update = 1};
    int fd = memfd_create("part", MFD_CLOEXEC);
    list_fault fault = list_write(&list, &part, fd, passed);
    size_t size = (size_t)lseek(fd, 0, SEEK_END);
    if (fault == LIST_TAKEN) {
        void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        assert_true(data != MAP_FAILED && index_open(ret_index, data, size));
    }
    close(fd);
    return fault;
}

static size_t passed_size;

static void count_passed(const uint8_t *data, size_t size)
{
    (void)data;
    passed_size += size;
}

/* More than fit into one range, from the last to the first, every seventh held. */
static void a_long_list_in_any_order(void **state)
{
    (void)state;
    enum { COUNT = 2500000, STEP = 850 };
    index_view index;
    entries all = {.data = malloc((size_t)COUNT * 38)};
    for (uint32_t i = COUNT; i-- > 0;) add_entry(&all, UINT32_MAX - i * STEP, i % 7 == 0);
    assert_int_equal(write_entries(&all, count_passed, &index), LIST_TAKEN);
    assert_true(passed_size > 3 * all.size && passed_size % all.size == 0);
    assert_int_equal(index_count(&index, &index.parts[0]), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(index_has(&index, &index.parts[0], UINT32_MAX - i * STEP));
        assert_false(index_has(&index, &index.parts[0], UINT32_MAX - i * STEP - 1));
    }
    serials_t held;
    assert_true(serials_open(&held, index.data + index.parts[0].held_at, index.parts[0].held_size));
    assert_true(serials_has(&held, UINT32_MAX - 7 * STEP) && !serials_has(&held, UINT32_MAX - STEP));
    munmap((void *)index.data, index.size);
    free(all.data);
}

/* Twice in a range; and so often that no range could hold it. */
static void duplicates_are_refused(void **state)
{
    (void)state;
    enum { MANY = (1 << 20) + 1 };
    index_view index;
    entries all = {.data = malloc((size_t)MANY * 24)};
    for (uint32_t i = 0; i < 1000; i++) add_entry(&all, 0x90000000 + i, false);
    add_entry(&all, 0x90000005, false);
    assert_int_equal(write_entries(&all, NULL, &index), LIST_FAULT_DUPLICATE);
    all.size = 0;
    for (uint32_t i = 0; i < MANY; i++) add_entry(&all, 0x90000005, false);
    assert_int_equal(write_entries(&all, NULL, &index), LIST_FAULT_DUPLICATE);
    free(all.data);
}

static void only_roots_are_roots(void **state)
{
    (void)state;
    const char *files[] = {"roots/auth-1.der", "cards/card-1/auth.der", "variants/ca_true.der",
                           "variants/random_bytes.der"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        der_t data = authority_read("%s", files[i]);
        assert_false(trust_add_root(trust, data));
        authority_free(data);
    }
    assert_int_equal(trust->root_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_lists_are_not_taken),    cmocka_unit_test(every_fault_of_reading_has_a_list),
        cmocka_unit_test(part_is_of_the_list),          cmocka_unit_test(every_listed_serial_is_found),
        cmocka_unit_test(changed_octets_are_not_taken), cmocka_unit_test(a_long_list_in_any_order),
        cmocka_unit_test(duplicates_are_refused),       cmocka_unit_test(only_roots_are_roots),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
