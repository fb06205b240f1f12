/* SPDX-License-Identifier: Apache-2.0 */
#include "services/registry/deletion_log.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"

enum { DAY_SIZE = 10, HEX_SIZE = 32, LINE_SIZE = DAY_SIZE + 1 + HEX_SIZE + 1, READ_LINE_MAX = 256 };

struct deletion_log {
    char *path;
};

struct deletion_reader {
    FILE *file;
    size_t malformed;
};

static bool ends_torn(int fd)
{
    struct stat info;
    char last;
    if (fstat(fd, &info) != 0 || info.st_size == 0) return false;
    return pread(fd, &last, 1, info.st_size - 1) != 1 || last != '\n';
}

/* A new file's name is on the disk only after its directory is. */
static void sync_directory(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL) abort();
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    free(copy);
}

static int open_file(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) return -1;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) return fd;
    close(fd);
    return -1;
}

mk_code deletion_log_open(const char *path, deletion_log_t **ret_log)
{
    int fd = open_file(path);
    MK_ENSURE(fd >= 0, MK_UNAVAILABLE);
    close(fd);
    deletion_log_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->path = strdup(path);
    if (self->path == NULL) abort();
    *ret_log = self;
    return MK_OK;
}

void deletion_log_close(deletion_log_t **self_p)
{
    if (*self_p == NULL) return;
    free((*self_p)->path);
    free(*self_p);
    *self_p = NULL;
}

const char *deletion_log_path(const deletion_log_t *self)
{
    return self->path;
}

/* One write with O_APPEND: lines of several processes don't mix. A line that was torn before is ended first. */
static mk_code write_line(int fd, const char *line)
{
    const char *from = ends_torn(fd) ? line : line + 1;
    ssize_t size = (ssize_t)strlen(from);
    MK_ENSURE(write(fd, from, (size_t)size) == size, MK_UNAVAILABLE);
    return fdatasync(fd) == 0 ? MK_OK : MK_UNAVAILABLE;
}

/* Opened each time: whoever cuts the log puts another file in its place. */
mk_code deletion_log_append(deletion_log_t *self, const uint8_t holder[16])
{
    char line[1 + LINE_SIZE + 1] = "\n";
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm day;
    gmtime_r(&now, &day);
    strftime(line + 1, DAY_SIZE + 1, "%Y-%m-%d", &day);
    line[1 + DAY_SIZE] = ' ';
    bytes_to_hex(holder, 16, line + 1 + DAY_SIZE + 1);
    line[LINE_SIZE] = '\n';
    int fd = open_file(self->path);
    MK_ENSURE(fd >= 0, MK_UNAVAILABLE);
    mk_code code = write_line(fd, line);
    close(fd);
    if (code == MK_OK) sync_directory(self->path);
    return code;
}

mk_code deletion_reader_open(const deletion_log_t *log, deletion_reader_t **ret_reader)
{
    FILE *file = fopen(log->path, "re");
    MK_ENSURE(file != NULL, MK_UNAVAILABLE);
    deletion_reader_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort();
    self->file = file;
    *ret_reader = self;
    return MK_OK;
}

void deletion_reader_close(deletion_reader_t **self_p)
{
    if (*self_p == NULL) return;
    fclose((*self_p)->file);
    free(*self_p);
    *self_p = NULL;
}

static bool parse_line(const char *line, uint8_t ret_holder[16])
{
    char hex[HEX_SIZE + 1];
    if (strlen(line) != LINE_SIZE || line[DAY_SIZE] != ' ' || line[LINE_SIZE - 1] != '\n') return false;
    memcpy(hex, line + DAY_SIZE + 1, HEX_SIZE);
    hex[HEX_SIZE] = '\0';
    return bytes_from_hex(hex, ret_holder, 16) == MK_OK;
}

bool deletion_reader_next(deletion_reader_t *self, uint8_t ret_holder[16])
{
    char line[READ_LINE_MAX];
    while (fgets(line, sizeof line, self->file) != NULL) {
        if (parse_line(line, ret_holder)) return true;
        if (line[0] != '\n') self->malformed++;
    }
    return false;
}

size_t deletion_reader_malformed(const deletion_reader_t *self)
{
    return self->malformed;
}
