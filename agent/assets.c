/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/assets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"

enum { FILE_MAX = 4 * 1024 * 1024, PATH_SIZE = 512 };

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},     {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"}, {".json", "application/json; charset=utf-8"},
    {".svg", "image/svg+xml; charset=utf-8"},  {".png", "image/png"},
    {".ico", "image/vnd.microsoft.icon"},      {".woff2", "font/woff2"},
};

static int compare(const void *path, const void *row)
{
    return strcmp(path, ((const asset *)row)->path);
}

const asset *assets_find(const char *path)
{
    return bsearch(path, assets_table, assets_count, sizeof assets_table[0], compare);
}

static const char *type_of(const char *path)
{
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].ending, ending) == 0) return types[i].type;
    return NULL;
}

static unsigned char *read_whole(const char *path, size_t *ret_size)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    bool fits = fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size <= FILE_MAX;
    unsigned char *data = fits ? malloc((size_t)about.st_size + 1) : NULL;
    ssize_t got = data ? read(fd, data, (size_t)about.st_size) : -1;
    (void)close(fd);
    if (got >= 0) {
        *ret_size = (size_t)got;
        return data;
    }
    free(data);
    return NULL;
}

bool assets_read(const char *directory, const char *path, unsigned char **ret_data, size_t *ret_size,
                 const char **ret_type)
{
    char file[PATH_SIZE];
    bool is_page = strncmp(path, "/page/", 6) == 0;
    const char *name = strcmp(path, "/") == 0 ? "/index.html" : is_page ? path + 5 : "";
    const char *type = type_of(name);
    if (!type || strstr(name, "..") || !text_is_made_of(name, TEXT_ID "_./", 2, 128)) return false;
    int size = snprintf(file, sizeof file, "%s%s", directory, name);
    unsigned char *data = size > 0 && (size_t)size < sizeof file ? read_whole(file, ret_size) : NULL;
    if (!data) return false;
    *ret_data = data;
    *ret_type = type;
    return true;
}
