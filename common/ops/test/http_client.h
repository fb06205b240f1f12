/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest HTTP client for tests: bytes out, bytes in, no parsing. */
#ifndef MYKEY_OPS_TEST_HTTP_CLIENT_H
#define MYKEY_OPS_TEST_HTTP_CLIENT_H

#include <stddef.h>
#include <sys/types.h>

/* Connects to "unix:/path" or "127.0.0.1:port"; -1 on failure. Reads give up after 5 s. */
int http_client_connect(const char *listen);

/* Reads until `wanted` occurrences of `mark`, the peer's close, the timeout or a full buffer. NUL-terminates; returns
 * the number of marks seen. */
int http_client_read(int fd, const char *mark, int wanted, char *out, size_t cap);

/* One request on a connection of its own; the whole answer. The status, 0 without an answer. */
int http_client_get(const char *listen, const char *method, const char *path, char *out, size_t cap);

#endif
