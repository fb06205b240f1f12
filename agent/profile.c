/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"

enum { PATH_SIZE = 512, FILE_SIZE = 16384 };

struct profile {
    char identity[PATH_SIZE], next[PATH_SIZE], pending[PATH_SIZE], authority[PATH_SIZE], launch[PATH_SIZE];
};

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}
static void free_x509(X509 **x509)
{
    X509_free(*x509);
}
static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
#define DEFER_BIO __attribute__((cleanup(free_bio))) BIO
#define DEFER_X509 __attribute__((cleanup(free_x509))) X509
#define DEFER_KEY __attribute__((cleanup(free_key))) EVP_PKEY

/* ---- files ---- */

static mk_code write_all(int fd, const void *data, size_t size)
{
    MK_ENSURE(write(fd, data, size) == (ssize_t)size, MK_UNAVAILABLE);
    MK_ENSURE(fsync(fd) == 0, MK_UNAVAILABLE);
    return MK_OK;
}

mk_code profile_write(const char *path, const void *data, size_t size, unsigned mode)
{
    char temporary[PATH_SIZE + 8];
    (void)snprintf(temporary, sizeof temporary, "%s.tmp", path);
    (void)unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    MK_ENSURE(fd >= 0, MK_UNAVAILABLE);
    mk_code code = fchmod(fd, mode) == 0 ? write_all(fd, data, size) : MK_UNAVAILABLE;
    (void)close(fd);
    if (code == MK_OK && rename(temporary, path) != 0) code = MK_UNAVAILABLE;
    if (code != MK_OK) (void)unlink(temporary);
    return code;
}

/* Reads a file that is nobody else's to read. */
static mk_code read_file(const char *path, uint8_t out[FILE_SIZE], size_t *ret_size)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    MK_ENSURE(fd >= 0, errno == ENOENT ? MK_NOT_FOUND : MK_UNAVAILABLE);
    bool private_file =
        fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && (about.st_mode & 077) == 0 && about.st_uid == geteuid();
    ssize_t got = private_file ? read(fd, out, FILE_SIZE) : -1;
    (void)close(fd);
    MK_ENSURE(got >= 0 && got < FILE_SIZE, MK_UNAVAILABLE);
    *ret_size = (size_t)got;
    return MK_OK;
}

static mk_code check_directory(const char *directory)
{
    struct stat about;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) return MK_UNAVAILABLE;
    MK_ENSURE(stat(directory, &about) == 0 && S_ISDIR(about.st_mode), MK_UNAVAILABLE);
    MK_ENSURE((about.st_mode & 077) == 0 && about.st_uid == geteuid(), MK_UNAVAILABLE);
    return MK_OK;
}

mk_code profile_open(const char *directory, profile_t **ret_profile)
{
    MK_ENSURE(strlen(directory) > 0 && strlen(directory) < PATH_SIZE - 32, MK_UNAVAILABLE);
    MK_TRY(check_directory(directory));
    profile_t *self = calloc(1, sizeof *self);
    MK_ENSURE(self, MK_INTERNAL);
    (void)snprintf(self->identity, PATH_SIZE, "%s/terminal.pem", directory);
    (void)snprintf(self->next, PATH_SIZE, "%s/next.pem", directory);
    (void)snprintf(self->pending, PATH_SIZE, "%s/next.id", directory);
    (void)snprintf(self->authority, PATH_SIZE, "%s/authority.der", directory);
    (void)snprintf(self->launch, PATH_SIZE, "%s/launch", directory);
    *ret_profile = self;
    return MK_OK;
}

void profile_destroy(profile_t **self_p)
{
    if (!self_p || !*self_p) return;
    free(*self_p);
    *self_p = NULL;
}

const char *profile_identity_path(const profile_t *self)
{
    return self->identity;
}

const char *profile_next_path(const profile_t *self)
{
    return self->next;
}

const char *profile_launch_path(const profile_t *self)
{
    return self->launch;
}

/* ---- identity ---- */

static mk_code read_pem(const char *path, EVP_PKEY **ret_key, X509 **ret_x509)
{
    uint8_t data[FILE_SIZE];
    size_t size = 0;
    MK_TRY(read_file(path, data, &size));
    DEFER_BIO *bio = BIO_new_mem_buf(data, (int)size);
    DEFER_KEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    X509 *x509 = key && ret_x509 ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bytes_wipe(data, sizeof data);
    MK_ENSURE(key && (x509 || !ret_x509), MK_BAD_REQUEST);
    *ret_key = key;
    key = NULL;
    if (ret_x509) *ret_x509 = x509;
    return MK_OK;
}

static mk_code read_name(X509 *x509, int nid, char out[PROFILE_ID_MAX + 1])
{
    char text[PROFILE_ID_MAX + 2] = "";
    int size = X509_NAME_get_text_by_NID(X509_get_subject_name(x509), nid, text, sizeof text);
    MK_ENSURE(size > 0 && text_is_made_of(text, TEXT_ID, 1, PROFILE_ID_MAX), MK_BAD_REQUEST);
    memcpy(out, text, sizeof text - 1);
    out[PROFILE_ID_MAX] = '\0';
    return MK_OK;
}

static int64_t unix_time(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static mk_code describe(X509 *x509, EVP_PKEY *key, profile_identity *out)
{
    MK_ENSURE(X509_check_private_key(x509, key) == 1, MK_BAD_REQUEST);
    MK_TRY(read_name(x509, NID_commonName, out->terminal_id));
    MK_TRY(read_name(x509, NID_organizationalUnitName, out->operator_id));
    unsigned char *spki = NULL;
    int size = i2d_PUBKEY(key, &spki);
    MK_ENSURE(size > 0, MK_INTERNAL);
    bytes_sha256(spki, (size_t)size, out->key_sha256);
    OPENSSL_free(spki);
    out->not_before_s = unix_time(X509_get0_notBefore(x509));
    out->not_after_s = unix_time(X509_get0_notAfter(x509));
    return MK_OK;
}

mk_code profile_load(profile_t *self, profile_identity *ret_identity)
{
    DEFER_KEY *key = NULL;
    DEFER_X509 *x509 = NULL;
    profile_identity identity;
    MK_TRY(read_pem(self->identity, &key, &x509));
    MK_TRY(describe(x509, key, &identity));
    *ret_identity = identity;
    return MK_OK;
}

/* ---- enrolment and renewal ---- */

static mk_code write_pem(const char *path, EVP_PKEY *key, X509 *x509)
{
    DEFER_BIO *bio = BIO_new(BIO_s_secmem());
    MK_ENSURE(bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1, MK_INTERNAL);
    if (x509) MK_ENSURE(PEM_write_bio_X509(bio, x509) == 1, MK_INTERNAL);
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    return profile_write(path, data, (size_t)size, 0400);
}

/* The authority ignores the request's subject; its signature proves the key. */
static mk_code write_request(EVP_PKEY *key, uint8_t *out, size_t *ret_size)
{
    X509_REQ *request = X509_REQ_new();
    unsigned char *cursor = out;
    bool good = request && X509_REQ_set_version(request, 0) == 1 && X509_REQ_set_pubkey(request, key) == 1 &&
                X509_REQ_sign(request, key, EVP_sha256()) > 0;
    int size = good ? i2d_X509_REQ(request, NULL) : 0;
    if (size > 0 && size <= PROFILE_CSR_MAX)
        *ret_size = (size_t)i2d_X509_REQ(request, &cursor);
    else
        good = false;
    X509_REQ_free(request);
    return good ? MK_OK : MK_INTERNAL;
}

mk_code profile_new_key(profile_t *self, uint8_t out[PROFILE_CSR_MAX], size_t *ret_size)
{
    DEFER_KEY *key = EVP_EC_gen("P-256");
    MK_ENSURE(key, MK_INTERNAL);
    profile_abandon(self);
    MK_TRY(write_pem(self->next, key, NULL));
    return write_request(key, out, ret_size);
}

mk_code profile_set_pending(profile_t *self, const profile_pending *pending)
{
    char text[2 * PROFILE_ENROLMENT_MAX + 2 * BYTES_SHA256_SIZE + 3];
    MK_ENSURE(pending->id_size > 0 && pending->id_size <= PROFILE_ENROLMENT_MAX, MK_BAD_REQUEST);
    bytes_to_hex(pending->authority_sha256, BYTES_SHA256_SIZE, text);
    text[2 * BYTES_SHA256_SIZE] = ' ';
    bytes_to_hex(pending->id, pending->id_size, text + 2 * BYTES_SHA256_SIZE + 1);
    return profile_write(self->pending, text, strlen(text), 0600);
}

mk_code profile_pending_load(profile_t *self, profile_pending *ret_pending)
{
    uint8_t data[FILE_SIZE];
    size_t size = 0;
    profile_pending pending = {0};
    MK_TRY(read_file(self->pending, data, &size));
    MK_ENSURE(size > 2 * BYTES_SHA256_SIZE + 2 && size <= 2 * (BYTES_SHA256_SIZE + PROFILE_ENROLMENT_MAX) + 1,
              MK_BAD_REQUEST);
    data[size] = '\0';
    data[2 * BYTES_SHA256_SIZE] = '\0';
    const char *id = (const char *)data + 2 * BYTES_SHA256_SIZE + 1;
    MK_TRY(bytes_from_hex((const char *)data, pending.authority_sha256, BYTES_SHA256_SIZE));
    pending.id_size = strlen(id) / 2;
    MK_ENSURE(pending.id_size > 0, MK_BAD_REQUEST);
    MK_TRY(bytes_from_hex(id, pending.id, pending.id_size));
    *ret_pending = pending;
    return MK_OK;
}

mk_code profile_authority(profile_t *self, uint8_t out[BYTES_SHA256_SIZE])
{
    uint8_t data[FILE_SIZE];
    size_t size = 0;
    MK_TRY(read_file(self->authority, data, &size));
    bytes_sha256(data, size, out);
    return MK_OK;
}

static mk_code parse_issued(const uint8_t *certificate, size_t certificate_size, const uint8_t *authority,
                            size_t authority_size, X509 **ret_x509)
{
    const uint8_t *a = authority, *c = certificate;
    DEFER_X509 *issuer = d2i_X509(NULL, &a, (long)authority_size);
    DEFER_X509 *issued = d2i_X509(NULL, &c, (long)certificate_size);
    MK_ENSURE(issuer && issued && a == authority + authority_size && c == certificate + certificate_size,
              MK_CERT_UNTRUSTED);
    MK_ENSURE(X509_check_issued(issuer, issued) == X509_V_OK, MK_CERT_UNTRUSTED);
    MK_ENSURE(X509_verify(issued, X509_get0_pubkey(issuer)) == 1, MK_CERT_UNTRUSTED);
    *ret_x509 = issued;
    issued = NULL;
    return MK_OK;
}

mk_code profile_accept(profile_t *self, const uint8_t *certificate, size_t certificate_size, const uint8_t *authority,
                       size_t authority_size, const uint8_t expected[BYTES_SHA256_SIZE])
{
    uint8_t fingerprint[BYTES_SHA256_SIZE];
    profile_identity identity;
    DEFER_X509 *issued = NULL;
    DEFER_KEY *key = NULL;
    bytes_sha256(authority, authority_size, fingerprint);
    MK_ENSURE(bytes_equal_secret(fingerprint, expected, sizeof fingerprint), MK_CERT_UNTRUSTED);
    MK_TRY(parse_issued(certificate, certificate_size, authority, authority_size, &issued));
    MK_TRY(read_pem(self->next, &key, NULL));
    MK_ENSURE(describe(issued, key, &identity) == MK_OK, MK_CERT_UNTRUSTED);
    MK_TRY(profile_write(self->authority, authority, authority_size, 0400));
    return write_pem(self->next, key, issued);
}

mk_code profile_commit(profile_t *self)
{
    MK_ENSURE(rename(self->next, self->identity) == 0, MK_UNAVAILABLE);
    (void)unlink(self->pending);
    return MK_OK;
}

void profile_abandon(profile_t *self)
{
    (void)unlink(self->pending);
    (void)unlink(self->next);
}
