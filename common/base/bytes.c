/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/bytes.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
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
        out[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
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

void bytes_sha256(const uint8_t *data, size_t size, uint8_t out[BYTES_SHA256_SIZE])
{
    SHA256(data, size, out);
}

void bytes_hmac_sha256(const uint8_t *key, size_t key_size, const uint8_t *data, size_t size,
                       uint8_t out[BYTES_SHA256_SIZE])
{
    unsigned length = BYTES_SHA256_SIZE;
    if (HMAC(EVP_sha256(), key, (int)key_size, data, size, out, &length) == NULL) abort();
}
