/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest honest program for one tap, comparator of tap_cpu: two RSA-2048 verifications with a new key object each
 * and one prepared primary-key select.
 * Usage: tap_floor CONNINFO COUNT MODULUS.bin SIGNATURE.bin DIGEST.bin KEYS.txt: prints the CPU seconds it used. */
#include <libpq-fe.h>
#include <openssl/bn.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { RSA_SIZE = 256, DIGEST_SIZE = 32, KEYS_MAX = 1024 };

static uint8_t modulus[RSA_SIZE], signature[RSA_SIZE], digest[DIGEST_SIZE];
static char keys[KEYS_MAX][80];

static void fail(const char *what)
{
    fprintf(stderr, "tap_floor: %s\n", what);
    exit(1);
}

static void load(const char *path, uint8_t *out, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(out, 1, size, file) != size) fail(path);
    fclose(file);
}

static unsigned load_keys(const char *path)
{
    unsigned count = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) fail(path);
    while (count < KEYS_MAX && fscanf(file, "%79s", keys[count]) == 1) count++;
    fclose(file);
    if (count == 0) fail("no keys");
    return count;
}

static void verify(void)
{
    RSA *key = RSA_new();
    BIGNUM *e = BN_new();
    BN_set_word(e, 65537);
    RSA_set0_key(key, BN_bin2bn(modulus, RSA_SIZE, NULL), e, NULL);
    if (RSA_verify(NID_sha256, digest, DIGEST_SIZE, signature, RSA_SIZE, key) != 1) fail("a signature is wrong");
    RSA_free(key);
}

static void look_up(PGconn *db, const char *key)
{
    const char *values[] = {key};
    PGresult *result = PQexecPrepared(db, "find", 1, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) fail("the select");
    PQclear(result);
}

int main(int argc, char **argv)
{
    if (argc != 7) fail("usage: tap_floor CONNINFO COUNT MODULUS SIGNATURE DIGEST KEYS");
    long count = strtol(argv[2], NULL, 10);
    load(argv[3], modulus, RSA_SIZE);
    load(argv[4], signature, RSA_SIZE);
    load(argv[5], digest, DIGEST_SIZE);
    unsigned key_count = load_keys(argv[6]);
    PGconn *db = PQconnectdb(argv[1]);
    if (PQstatus(db) != CONNECTION_OK) fail(PQerrorMessage(db));
    PGresult *prepared = PQprepare(
        db, "find", "SELECT holder_id FROM registry.credential WHERE credential_id = decode($1, 'hex')", 1, NULL);
    if (PQresultStatus(prepared) != PGRES_COMMAND_OK) fail(PQerrorMessage(db));
    PQclear(prepared);
    for (long i = 0; i < count; i++) {
        verify();
        verify();
        look_up(db, keys[(unsigned long)i % key_count]);
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("%d %.6f\n", PQbackendPID(db),
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    fflush(stdout);
    getchar(); /* the runner reads the backend's CPU time before the connection ends */
    PQfinish(db);
    return 0;
}
