/* SPDX-License-Identifier: Apache-2.0 */
/* From entries in any order to two sets in ascending order, a range of serials at a time. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "services/jpki-verify/list.h"

enum { BIN_BITS = 20, BINS = 1 << (32 - BIN_BITS), RANGE_MAX = 1 << BIN_BITS, PASSED_EVERY = 4 << 20 };

typedef enum which { REVOKED, HELD, SETS } which;

typedef struct writer {
    const list_t *list;
    der_passed_fn *passed;
    uint64_t totals[SETS];
    uint32_t bins[SETS][BINS]; /* how many serials begin with these bits */
    uint32_t *serials, *other; /* of one range */
} writer;

/* ---- going over the entries ---- */

typedef struct walk {
    der_t rest;
    const uint8_t *passed_to;
    bool is_broken; /* an entry is not well-formed */
} walk;

static void pass_on(const writer *self, walk *at, size_t least)
{
    size_t size = (size_t)(at->rest.data - at->passed_to);
    if (size < least || size == 0) return;
    if (self->passed != NULL) self->passed(at->passed_to, size);
    at->passed_to = at->rest.data;
}

static walk begin_walk(const writer *self)
{
    return (walk){.rest = self->list->entries, .passed_to = self->list->entries.data};
}

static bool step(const writer *self, walk *at, list_entry *ret_entry)
{
    bool more = at->rest.size > 0;
    if (more) at->is_broken = !list_next(&at->rest, ret_entry);
    more = more && !at->is_broken;
    pass_on(self, at, more ? PASSED_EVERY : 1);
    return more;
}

static bool count(writer *self)
{
    list_entry entry;
    walk at = begin_walk(self);
    while (step(self, &at, &entry)) {
        if (!entry.is_kept) continue;
        which set = entry.is_held ? HELD : REVOKED;
        self->totals[set]++;
        self->bins[set][entry.serial >> BIN_BITS]++;
    }
    return !at.is_broken;
}

/* ---- one range ---- */

static size_t collect(writer *self, which set, uint32_t first_bin, uint32_t end_bin)
{
    list_entry entry;
    size_t found = 0;
    walk at = begin_walk(self);
    while (step(self, &at, &entry)) {
        uint32_t bin = entry.serial >> BIN_BITS;
        if (!entry.is_kept || entry.is_held != (set == HELD) || bin < first_bin || bin >= end_bin) continue;
        self->serials[found++] = entry.serial;
    }
    return found;
}

/* One pass of a radix sort: stable by the octet at `shift`. */
static void sort_by_octet(const uint32_t *from, uint32_t *to, size_t size, unsigned shift)
{
    size_t next[257] = {0};
    for (size_t i = 0; i < size; i++) next[(from[i] >> shift & 0xFF) + 1]++;
    for (size_t i = 1; i < 257; i++) next[i] += next[i - 1];
    for (size_t i = 0; i < size; i++) to[next[from[i] >> shift & 0xFF]++] = from[i];
}

/* Not qsort: glibc's asks the system for its memory, which the sandbox forbids. */
static void sort(writer *self, size_t size)
{
    for (unsigned shift = 0; shift < 32; shift += 16) {
        sort_by_octet(self->serials, self->other, size, shift);
        sort_by_octet(self->other, self->serials, size, shift + 8);
    }
}

static bool put_range(writer *self, size_t size, serials_builder *builder)
{
    for (size_t i = 0; i < size; i++) {
        if (i > 0 && self->serials[i - 1] == self->serials[i]) return false;
        serials_put(builder, self->serials[i]);
    }
    return true;
}

/* As many bins as fit into the buffer; a bin with more serials than it has values has one twice. */
static uint32_t end_of_range(const writer *self, which set, uint32_t first_bin, uint64_t *ret_size)
{
    uint32_t bin = first_bin;
    uint64_t size = 0;
    while (bin < BINS && size + self->bins[set][bin] <= RANGE_MAX) size += self->bins[set][bin++];
    *ret_size = size;
    return bin;
}

static list_fault fill(writer *self, which set, serials_builder *builder)
{
    uint64_t size;
    for (uint32_t bin = 0; bin < BINS;) {
        uint32_t end = end_of_range(self, set, bin, &size);
        if (end == bin) return LIST_FAULT_DUPLICATE;
        if (size > 0) {
            sort(self, collect(self, set, bin, end));
            if (!put_range(self, size, builder)) return LIST_FAULT_DUPLICATE;
        }
        bin = end;
    }
    serials_done(builder);
    return LIST_TAKEN;
}

/* ---- the file ---- */

static list_fault write_parts(writer *self, const index_part *part, void *data)
{
    serials_builder builders[SETS];
    index_one_begin(data, part, self->totals[REVOKED], self->totals[HELD], &builders[REVOKED], &builders[HELD]);
    for (which set = REVOKED; set < SETS; set++) {
        list_fault fault = fill(self, set, &builders[set]);
        if (fault != LIST_TAKEN) return fault;
    }
    index_seal(data);
    return LIST_TAKEN;
}

static bool make_room(writer *self)
{
    uint64_t most = self->totals[REVOKED] > self->totals[HELD] ? self->totals[REVOKED] : self->totals[HELD];
    size_t size = (most < RANGE_MAX ? (size_t)most + 1 : RANGE_MAX) * sizeof *self->serials;
    self->serials = malloc(size);
    self->other = malloc(size);
    return self->serials != NULL && self->other != NULL;
}

static list_fault write_file(writer *self, const index_part *part, int fd)
{
    if (self->totals[REVOKED] > SERIALS_COUNT_MAX || self->totals[HELD] > SERIALS_COUNT_MAX) return LIST_FAULT_SPACE;
    size_t size = index_one_size(self->totals[REVOKED], self->totals[HELD]);
    if (!make_room(self)) return LIST_FAULT_SPACE;
    if (posix_fallocate(fd, 0, (off_t)size) != 0) return LIST_FAULT_SPACE;
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return LIST_FAULT_SPACE;
    list_fault fault = write_parts(self, part, data);
    if (munmap(data, size) != 0 && fault == LIST_TAKEN) fault = LIST_FAULT_SPACE;
    return fault;
}

list_fault list_write(const list_t *list, const index_part *part, int fd, der_passed_fn *passed)
{
    writer *self = calloc(1, sizeof *self);
    if (self == NULL) return LIST_FAULT_SPACE;
    self->list = list;
    self->passed = passed;
    list_fault fault = count(self) ? write_file(self, part, fd) : LIST_FAULT_ENTRY;
    free(self->serials);
    free(self->other);
    free(self);
    return fault;
}
