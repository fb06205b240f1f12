/* SPDX-License-Identifier: Apache-2.0 */
/* Roots as files, compared with their pins as bytes and not read any further here. */
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

/* Changes whenever a *.der file of folder or the file of pins is replaced, written, added or removed. */
uint64_t anchors_fingerprint(const char *folder, const char *pins_path);

/* Changes whenever the file is replaced or written. */
uint64_t anchors_file_fingerprint(const char *path);

#endif
