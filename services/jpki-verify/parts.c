/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/bytes.h"

#define NEW_PART "new"
#define NEW_INDEX ".index"
enum { NAME_OCTETS = 16, NAME_SIZE = 4 * NAME_OCTETS + sizeof "-.part" };

struct parts {
    int folder, parts; /* descriptors of directories */
    int fd;            /* of the part being written, -1: none */
};

typedef struct mapped {
    void *data;
    size_t size;
    index_view view;
} mapped;

/* ---- files ---- */

static void unmap(mapped *self)
{
    if (self->data != NULL) munmap(self->data, self->size);
    self->data = NULL;
}

/* A whole index; false: it is none. */
static bool map_index(int fd, mapped *out)
{
    struct stat info;
    *out = (mapped){0};
    if (fstat(fd, &info) != 0 || info.st_size <= 0) return false;
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return false;
    *out = (mapped){.data = data, .size = (size_t)info.st_size};
    if (index_open(&out->view, out->data, out->size)) return true;
    unmap(out);
    return false;
}

static bool map_part(const parts_t *self, const char *name, mapped *out)
{
    int fd = openat(self->parts, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return false;
    bool done = map_index(fd, out) && out->view.part_count == 1;
    close(fd);
    if (!done) unmap(out);
    return done;
}

static void name_of(const index_key *key, char out[NAME_SIZE])
{
    bytes_to_hex(key->issuer_key, NAME_OCTETS, out);
    out[2 * NAME_OCTETS] = '-';
    bytes_to_hex(key->point, NAME_OCTETS, out + 2 * NAME_OCTETS + 1);
    memcpy(out + 4 * NAME_OCTETS + 1, ".part", sizeof ".part");
}

static bool is_part(const char *name)
{
    size_t size = strlen(name);
    return size == NAME_SIZE - 1 && strcmp(name + size - 5, ".part") == 0;
}

/* ---- life ---- */

static int open_folder(int at, const char *path)
{
    if (mkdirat(at, path, 0700) != 0 && errno != EEXIST) return -1;
    return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

parts_t *parts_new(const char *folder, const char **ret_why)
{
    parts_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->fd = self->parts = -1;
    self->folder = open_folder(AT_FDCWD, folder);
    if (self->folder >= 0) self->parts = open_folder(self->folder, "parts");
    if (self->parts < 0) {
        *ret_why = "the folder can't be made or opened";
        parts_destroy(&self);
        return NULL;
    }
    (void)unlinkat(self->parts, NEW_PART, 0);
    (void)unlinkat(self->folder, NEW_INDEX, 0);
    return self;
}

void parts_destroy(parts_t **self_p)
{
    parts_t *self = *self_p;
    if (self == NULL) return;
    if (self->fd >= 0) parts_forget(self);
    if (self->parts >= 0) close(self->parts);
    if (self->folder >= 0) close(self->folder);
    free(self);
    *self_p = NULL;
}

int parts_scratch(const parts_t *self)
{
    return openat(self->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* ---- one part ---- */

int parts_begin(parts_t *self)
{
    parts_forget(self);
    self->fd = openat(self->parts, NEW_PART, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return self->fd;
}

void parts_forget(parts_t *self)
{
    if (self->fd >= 0) close(self->fd);
    (void)unlinkat(self->parts, NEW_PART, 0);
    self->fd = -1;
}

/* A number that goes on with an older list, or comes again with another, is a list of another authority's making or an
 * old one: RFC 5280 5.2.3. */
static list_fault compare(const index_part *made, const index_part *old, bool *ret_changed)
{
    int numbers = memcmp(made->number, old->number, sizeof made->number);
    *ret_changed = numbers != 0 || made->this_update != old->this_update;
    if (!*ret_changed) return LIST_TAKEN;
    return numbers > 0 && made->this_update >= old->this_update ? LIST_TAKEN : LIST_FAULT_OLDER;
}

static list_fault judge(const parts_t *self, const index_part *made, const char *name, bool *ret_changed)
{
    mapped old;
    *ret_changed = true;
    if (!map_part(self, name, &old)) return LIST_TAKEN;
    list_fault fault = compare(made, &old.view.parts[0], ret_changed);
    unmap(&old);
    return fault;
}

static bool put_in_place(const parts_t *self, const char *name)
{
    return fsync(self->fd) == 0 && renameat(self->parts, NEW_PART, self->parts, name) == 0 && fsync(self->parts) == 0;
}

list_fault parts_take(parts_t *self, bool *ret_changed)
{
    char name[NAME_SIZE];
    mapped made;
    *ret_changed = false;
    if (!map_index(self->fd, &made)) return LIST_FAULT_READER;
    list_fault fault = made.view.part_count == 1 ? LIST_TAKEN : LIST_FAULT_READER;
    if (fault == LIST_TAKEN) {
        name_of(&made.view.parts[0].key, name);
        fault = judge(self, &made.view.parts[0], name, ret_changed);
    }
    unmap(&made);
    if (fault == LIST_TAKEN && *ret_changed && !put_in_place(self, name)) fault = LIST_FAULT_SPACE;
    parts_forget(self);
    return fault;
}

/* ---- all parts ---- */

typedef struct gathered {
    size_t count;
    mapped files[INDEX_PARTS_MAX];
    const index_view *views[INDEX_PARTS_MAX];
} gathered;

static void add(gathered *all, parts_state *state, const mapped *file)
{
    const index_part *part = &file->view.parts[0];
    bool first = state->parts++ == 0;
    state->revoked += index_count(&file->view, part);
    if (first || part->this_update < state->this_update) state->this_update = part->this_update;
    if (first || part->next_update < state->next_update) state->next_update = part->next_update;
    all->files[all->count] = *file;
    all->views[all->count] = &all->files[all->count].view;
    all->count++;
}

static void gather(const parts_t *self, int64_t now_s, gathered *all, parts_state *state)
{
    mapped file;
    int again = openat(self->parts, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (dir == NULL) return;
    for (struct dirent *entry = readdir(dir); entry != NULL && all->count < INDEX_PARTS_MAX; entry = readdir(dir)) {
        if (!is_part(entry->d_name) || !map_part(self, entry->d_name, &file)) continue;
        if (file.view.parts[0].next_update + PARTS_KEPT_S < now_s) {
            unmap(&file);
            (void)unlinkat(self->parts, entry->d_name, 0);
        } else {
            add(all, state, &file);
        }
    }
    closedir(dir);
}

static bool write_union(int fd, const gathered *all)
{
    size_t size = index_union_size(all->views, all->count);
    if (posix_fallocate(fd, 0, (off_t)size) != 0) return false;
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return false;
    bool done = index_union(data, all->views, all->count);
    munmap(data, size);
    return done && fsync(fd) == 0;
}

static bool publish(const parts_t *self, const gathered *all)
{
    int fd = openat(self->folder, NEW_INDEX, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return false;
    bool done = write_union(fd, all);
    close(fd);
    if (done) done = renameat(self->folder, NEW_INDEX, self->folder, "index") == 0 && fsync(self->folder) == 0;
    if (!done) (void)unlinkat(self->folder, NEW_INDEX, 0);
    return done;
}

bool parts_publish(parts_t *self, int64_t now_s, parts_state *ret_state)
{
    gathered *all = calloc(1, sizeof *all);
    if (all == NULL) abort();
    *ret_state = (parts_state){0};
    gather(self, now_s, all, ret_state);
    bool done = publish(self, all);
    for (size_t i = 0; i < all->count; i++) unmap(&all->files[i]);
    free(all);
    return done;
}
