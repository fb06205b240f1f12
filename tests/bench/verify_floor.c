/* SPDX-License-Identifier: Apache-2.0 */
/* Comparator of verify: two RSA-2048 verifications with a new key object from raw n and e each time, per second of CPU.
 * Usage: verify_floor MODULUS.bin SIGNATURE.bin DIGEST.bin MILLISECONDS: prints pairs/s. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/obj_mac.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint8_t modulus[256], signature[256], digest[32];

static void fail(const char *what)
{
    fprintf(stderr, "verify_floor: %s\n", what);
    exit(1);
}

static void load(const char *path, uint8_t *out, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(out, 1, size, file) != size) fail(path);
    fclose(file);
}

static void verify(void)
{
    RSA *key = RSA_new();
    BIGNUM *e = BN_new();
    BN_set_word(e, 65537);
    RSA_set0_key(key, BN_bin2bn(modulus, sizeof modulus, NULL), e, NULL);
    if (RSA_verify(NID_sha256, digest, sizeof digest, signature, sizeof signature, key) != 1)
        fail("a signature is wrong");
    RSA_free(key);
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

int main(int argc, char **argv)
{
    if (argc != 5) fail("usage: verify_floor MODULUS SIGNATURE DIGEST MILLISECONDS");
    load(argv[1], modulus, sizeof modulus);
    load(argv[2], signature, sizeof signature);
    load(argv[3], digest, sizeof digest);
    verify(); /* loads what OpenSSL loads late */
    double limit = (double)strtoul(argv[4], NULL, 10) / 1000, begun = cpu_seconds(), used;
    unsigned long done = 0;
    do {
        for (int i = 0; i < 64; i++, done++) {
            verify();
            verify();
        }
        used = cpu_seconds() - begun;
    } while (used < limit);
    printf("%.1f\n", (double)done / used);
    return 0;
}
