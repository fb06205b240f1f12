/* SPDX-License-Identifier: Apache-2.0 */
/* What harnesses share. A harness includes a parser's .c file where the parser is not in its header. */
#ifndef MYKEY_TESTS_FUZZ_FUZZ_H
#define MYKEY_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold. */
#define HOLDS(condition)           \
    do {                           \
        if (!(condition)) abort(); \
    } while (0)

/* The bytes with a NUL behind, malloc'ed to their exact size so that a step too far is seen. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    HOLDS(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Splits text at the next `mark`: answers what lies before it; *rest is what follows, "" at the end. */
static inline char *fuzz_cut(char **rest, char mark)
{
    char *first = *rest, *end = strchr(first, mark);
    *rest = end == NULL ? first + strlen(first) : end + 1;
    if (end != NULL) *end = '\0';
    return first;
}

/* A file (in memory, mode 0400) that holds the bytes; one at a time. */
static inline const char *fuzz_file(const uint8_t *data, size_t size)
{
    static char path[64];
    static int fd = -1;
    if (fd < 0) fd = memfd_create("fuzz", 0);
    HOLDS(fd >= 0 && fchmod(fd, 0400) == 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

/* Where complaints go. */
static inline FILE *fuzz_null(void)
{
    static FILE *null;
    if (null == NULL) null = fopen("/dev/null", "we");
    HOLDS(null != NULL);
    return null;
}

#endif
