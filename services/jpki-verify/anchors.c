/* SPDX-License-Identifier: Apache-2.0 */
#include "services/jpki-verify/anchors.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 64 };

/* ---- folders ---- */

typedef struct listing {
    size_t count;
    char names[FILES_MAX][ANCHORS_NAME_SIZE];
} listing;

static bool has_ending(const char *name, const char *ending)
{
    size_t size = strlen(name), end = strlen(ending);
    return name[0] != '.' && size > end && size < ANCHORS_NAME_SIZE && strcmp(name + size - end, ending) == 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names with this ending, sorted; false if there is no such folder or too many of them. */
static bool list_folder(const char *folder, const char *ending, listing *out)
{
    out->count = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) return false;
    bool fits = true;
    for (struct dirent *entry = readdir(dir); fits && entry != NULL; entry = readdir(dir)) {
        if (!has_ending(entry->d_name, ending)) continue;
        fits = out->count < FILES_MAX;
        if (fits) snprintf(out->names[out->count++], ANCHORS_NAME_SIZE, "%s", entry->d_name);
    }
    closedir(dir);
    qsort(out->names, out->count, sizeof *out->names, compare_names);
    return fits;
}

static int open_in(const char *folder, const char *name)
{
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return -1;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    close(dir);
    return fd;
}

/* ---- roots ---- */

static bool read_root(const char *folder, anchor_t *root)
{
    int fd = open_in(folder, root->name);
    if (fd < 0) return false;
    ssize_t size = read(fd, root->bytes, sizeof root->bytes);
    close(fd);
    root->size = size > 0 ? (size_t)size : 0;
    return size > 0 && (size_t)size < sizeof root->bytes;
}

/* One line of the pins; the name is its last word. */
static bool read_pin(char *line, uint8_t out[BYTES_SHA256_SIZE], const char **ret_name)
{
    char *rest = NULL;
    const char *hash = strtok_r(line, " \t\r\n", &rest), *name = strtok_r(NULL, " \t\r\n", &rest);
    if (hash == NULL || name == NULL || bytes_from_hex(hash, out, BYTES_SHA256_SIZE) != MK_OK) return false;
    *ret_name = name;
    return true;
}

static anchor_t *find_root(anchors_t *anchors, const char *name)
{
    for (size_t i = 0; i < anchors->count; i++) {
        if (strcmp(anchors->roots[i].name, name) == 0) return &anchors->roots[i];
    }
    return NULL;
}

static const char *check_pin(anchors_t *anchors, char *line, bool pinned[PROFILE_ROOTS_MAX])
{
    uint8_t expected[BYTES_SHA256_SIZE], actual[BYTES_SHA256_SIZE];
    const char *name;
    if (!read_pin(line, expected, &name)) return "a line of the root pins is not 'HEX64  NAME'";
    anchor_t *root = find_root(anchors, name);
    if (root == NULL) return "a pinned root is missing";
    bytes_sha256(root->bytes, root->size, actual);
    if (memcmp(actual, expected, sizeof actual) != 0) return "a root differs from its pin";
    pinned[root - anchors->roots] = true;
    return NULL;
}

static const char *check_pins(anchors_t *anchors, const char *path)
{
    char line[256];
    bool pinned[PROFILE_ROOTS_MAX] = {false};
    const char *why = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL) return "the root pins can't be read";
    while (why == NULL && fgets(line, sizeof line, file) != NULL) {
        if (line[0] != '#' && line[0] != '\n') why = check_pin(anchors, line, pinned);
    }
    fclose(file);
    for (size_t i = 0; why == NULL && i < anchors->count; i++) {
        if (!pinned[i]) why = "a root is not pinned";
    }
    return why;
}

static const char *read_roots(const char *folder, anchors_t *anchors)
{
    listing found;
    if (!list_folder(folder, ".der", &found)) return "the folder of roots can't be read";
    if (found.count == 0) return "there is no root";
    if (found.count > PROFILE_ROOTS_MAX) return "more than 8 roots";
    for (; anchors->count < found.count; anchors->count++) {
        anchor_t *root = &anchors->roots[anchors->count];
        memcpy(root->name, found.names[anchors->count], sizeof root->name);
        if (!read_root(folder, root)) return "a root can't be read or is too large";
    }
    return NULL;
}

mk_code anchors_load(const char *folder, const char *pins_path, anchors_t **ret_anchors, const char **ret_why)
{
    anchors_t *anchors = calloc(1, sizeof *anchors);
    const char *why = anchors == NULL ? "out of memory" : read_roots(folder, anchors);
    if (why == NULL) why = check_pins(anchors, pins_path);
    if (why != NULL) {
        free(anchors);
        *ret_why = why;
        return MK_UNAVAILABLE;
    }
    *ret_anchors = anchors;
    return MK_OK;
}

/* ---- changes ---- */

static uint64_t mix(uint64_t sum, const void *data, size_t size)
{
    const uint8_t *octets = data;
    for (size_t i = 0; i < size; i++) sum = (sum ^ octets[i]) * 0x100000001b3u; /* FNV-1a */
    return sum;
}

static uint64_t mix_file(uint64_t sum, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) return mix(sum, "", 1);
    sum = mix(sum, &info.st_ino, sizeof info.st_ino);
    sum = mix(sum, &info.st_size, sizeof info.st_size);
    sum = mix(sum, &info.st_ctim.tv_sec, sizeof info.st_ctim.tv_sec);
    return mix(sum, &info.st_ctim.tv_nsec, sizeof info.st_ctim.tv_nsec);
}

enum { SUM_OF_NOTHING = 0x4f1bbcdd };

uint64_t anchors_file_fingerprint(const char *path)
{
    return mix_file(SUM_OF_NOTHING, path);
}

uint64_t anchors_fingerprint(const char *folder, const char *pins_path)
{
    listing found;
    char path[PATH_MAX];
    uint64_t sum = mix_file(SUM_OF_NOTHING, pins_path);
    if (!list_folder(folder, ".der", &found)) return sum;
    for (size_t i = 0; i < found.count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, found.names[i]);
        sum = mix_file(mix(sum, found.names[i], strlen(found.names[i])), path);
    }
    return sum;
}
