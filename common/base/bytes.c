/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/bytes.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void bytes_to_hex(const uint8_t *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * size] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

mk_code bytes_from_hex(const char *text, uint8_t *out, size_t size)
{
    MK_ENSURE(strlen(text) == 2 * size, MK_BAD_REQUEST);
    for (size_t i = 0; i < 2 * size; i++) MK_ENSURE(hex_value(text[i]) >= 0, MK_BAD_REQUEST);
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)(hex_value(text[2 * i]) * 16 + hex_value(text[2 * i + 1]));
    }
    return MK_OK;
}

void bytes_random(uint8_t *out, size_t size)
{
    while (size > 0) {
        ssize_t got = getrandom(out, size > 256 ? 256 : size, 0);
        if (got < 0) abort();
        out += got;
        size -= (size_t)got;
    }
}

uint32_t bytes_random_below(uint32_t bound)
{
    uint32_t limit = UINT32_MAX - UINT32_MAX % bound;
    uint32_t value;
    do {
        bytes_random((uint8_t *)&value, sizeof value);
    } while (value >= limit);
    return value % bound;
}

bool bytes_equal_secret(const uint8_t *a, const uint8_t *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void bytes_wipe(void *data, size_t size)
{
    OPENSSL_cleanse(data, size);
}

/* Looked up once a thread: OpenSSL 3 searches its providers at every SHA256(), which doubles its time. */
static const EVP_MD *sha256(void)
{
    static _Thread_local EVP_MD *found;
    if (found == NULL) found = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_SHA2_256, NULL);
    if (found == NULL) abort();
    return found;
}

void bytes_sha256(const uint8_t *data, size_t size, uint8_t out[BYTES_SHA256_SIZE])
{
    if (EVP_Digest(data, size, out, NULL, sha256(), NULL) != 1) abort();
}
