/* SPDX-License-Identifier: Apache-2.0 */
/* The page's files: agent/page (index.html as "/", the rest under /page/) and web (under /web/), compiled in by
 * embed.py, or agent/page read from a directory while one works on it. */
#ifndef MYKEY_AGENT_ASSETS_H
#define MYKEY_AGENT_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct asset {
    const char *path; /* "/", "/page/app.js" */
    const char *type; /* Content-Type */
    const char *etag; /* quoted SHA-256 */
    const unsigned char *data;
    size_t size;
} asset;

/* Generated; sorted by path. */
extern const asset assets_table[];
extern const size_t assets_count;

/* NULL if there is none of this path. */
const asset *assets_find(const char *path);

/* "/" and what is under /page/ from a directory; false for any other path and for what isn't there. The caller frees
 * *ret_data. */
bool assets_read(const char *directory, const char *path, unsigned char **ret_data, size_t *ret_size,
                 const char **ret_type);

#endif
