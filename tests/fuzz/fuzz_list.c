/* SPDX-License-Identifier: Apache-2.0 */
/* A revocation list, every signature taken for good: a whole one, or entries by themselves. What is made of it is an
 * index in which every serial of the list is found, and as many as it has. Then the bytes as an index: whatever opens
 * is read without a step outside. Parsers: services/jpki-verify/list.c services/jpki-verify/list_write.c
 * services/jpki-verify/index.c services/jpki-verify/serials.c */
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#include "services/jpki-verify/rsa.h"
#define rsa_digest(data, passed, out) ((void)(passed), memset(out, 0, RSA_DIGEST_SIZE) != NULL && (data).size > 0)
#define rsa_key_verify(key, digest, signature) ((key) == NULL && (digest) != NULL && (signature).size + 1 > 0)
#include "services/jpki-verify/list.c"
#undef rsa_digest
#undef rsa_key_verify
#include "services/jpki-verify/index.c"
#include "services/jpki-verify/list_write.c"

static void check_index(const list_t *list, const uint8_t *data, size_t size)
{
    index_view index;
    list_entry entry;
    uint64_t kept = 0;
    HOLDS(index_open(&index, data, size) && index.part_count == 1);
    for (der_t rest = list->entries; rest.size > 0;) {
        HOLDS(list_next(&rest, &entry));
        if (!entry.is_kept) continue;
        kept++;
        HOLDS(index_has(&index, &index.parts[0], entry.serial));
    }
    HOLDS(kept == index_count(&index, &index.parts[0]));
}

static void fuzz_entries(const list_t *list)
{
    const root_t root = {.key_sha256 = {1}};
    index_part part = list_part(list, &root);
    int fd = memfd_create("index", MFD_CLOEXEC);
    HOLDS(fd >= 0);
    list_fault fault = list_write(list, &part, fd, NULL);
    HOLDS(fault == LIST_TAKEN || fault == LIST_FAULT_ENTRY || fault == LIST_FAULT_DUPLICATE);
    size_t size = (size_t)lseek(fd, 0, SEEK_END);
    void *data = size > 0 ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : NULL;
    if (fault == LIST_TAKEN) check_index(list, data, size);
    if (data != NULL) munmap(data, size);
    close(fd);
}

static void fuzz_list(const uint8_t *data, size_t size)
{
    list_t list;
    if (list_read((der_t){data, size}, profile_auth(), &list) != LIST_TAKEN) return;
    HOLDS(list.issuer.size > 0 && list.number.size > 0 && list.number.size <= INDEX_NUMBER_SIZE);
    fuzz_entries(&list);
}

/* Its union with nothing else says the same. */
static void check_union(const index_view *index)
{
    const index_view *const from[] = {index};
    index_view again;
    size_t size = index_union_size(from, 1);
    void *data = calloc(1, size);
    HOLDS(data != NULL && index_union(data, from, 1) && index_open(&again, data, size));
    HOLDS(again.part_count == index->part_count);
    for (size_t i = 0; i < again.part_count; i++)
        HOLDS(index_count(&again, &again.parts[i]) == index_count(index, &index->parts[i]));
    free(data);
}

/* Sealed, so that its digest hides nothing. */
static void fuzz_index(const uint8_t *data, size_t size)
{
    index_view index;
    size_t whole = size / 8 * 8;
    uint8_t *copy = malloc(whole + 8);
    HOLDS(copy != NULL);
    memcpy(copy, data, whole);
    if (whole >= sizeof(index_header)) {
        memcpy(((index_header *)(void *)copy)->magic, magic, sizeof magic);
        ((index_header *)(void *)copy)->size = whole;
        index_seal(copy);
    }
    if (index_open(&index, copy, whole)) {
        check_union(&index);
        for (size_t i = 0; i < index.part_count; i++) {
            HOLDS(index_find(&index, &index.parts[i].key) == &index.parts[i]);
            HOLDS(index_count(&index, &index.parts[i]) <= 2 * SERIALS_COUNT_MAX);
            for (uint32_t serial = 1, n = 0; n < 64; n++, serial = serial * 0x9E3779B1u + 1)
                (void)index_has(&index, &index.parts[i], serial);
        }
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t number[1] = {1};
    const list_t entries = {.entries = {data, size}, .number = {number, 1}};
    fuzz_list(data, size);
    fuzz_entries(&entries);
    fuzz_index(data, size);
    return 0;
}
