/* SPDX-License-Identifier: Apache-2.0 */
/* The files that the parser is given: roots, compared with their pins as bytes and not read any further here, and open
 * revocation lists. */
#ifndef MYKEY_JPKI_ANCHORS_H
#define MYKEY_JPKI_ANCHORS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "services/jpki-verify/wire.h"

enum { ANCHORS_NAME_SIZE = 64 };

typedef struct anchor {
    char name[ANCHORS_NAME_SIZE]; /* "auth-2.der" */
    size_t size;
    uint8_t bytes[PROFILE_CERTIFICATE_MAX];
} anchor_t;

typedef struct anchors {
    size_t count;
    anchor_t roots[PROFILE_ROOTS_MAX];
} anchors_t;

/* Reads every *.der of folder and the pins ("HEX64  NAME" a line, as sha256sum writes). UNAVAILABLE unless both name
 * the same files and every hash agrees; *ret_why (static text) says what is wrong. The caller frees with free(). */
mk_code anchors_load(const char *folder, const char *pins_path, anchors_t **ret_anchors,
                     const char **ret_why) MK_CHECKED;

typedef struct crl_files {
    size_t count;
    int fds[WIRE_CRLS_MAX];
    char names[WIRE_CRLS_MAX][ANCHORS_NAME_SIZE];
    const char *why; /* why some are left out, NULL if none is. Static */
} crl_files_t;

/* Opens the *.crl files of folder, in the order of their names; what can't be opened is left out. */
void crl_files_open(const char *folder, crl_files_t *out);
void crl_files_close(crl_files_t *files);

/* Changes whenever a *.crl file of folder is replaced, written, added or removed. */
uint64_t crl_files_fingerprint(const char *folder);

#endif
