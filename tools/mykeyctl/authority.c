/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mykeyctl/authority.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/text.h"

enum {
    PATH_SIZE = 1024,
    SERIAL_SIZE = 16,
    CSR_MAX = 8192,
    SAN_MAX = 4096,
    HOST_MAX = 253,
    ROOT_DAYS = 3652,
    TERMINAL_DAYS = 90,
    SERVER_DAYS = 30,
    CLOCKS_DIFFER_S = 300, /* a terminal's clock may be behind ours */
};

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    uint8_t *der;
    size_t der_size;
};

/* ---- files ---- */

static mk_code path_of(const char *dir, const char *name, char out[PATH_SIZE])
{
    int size = snprintf(out, PATH_SIZE, "%s/%s", dir, name);
    return size > 0 && size < PATH_SIZE ? MK_OK : MK_TOO_LARGE;
}

/* Written aside and then linked or renamed into place: there is never half a file. */
static mk_code write_file(const char *path, const BUF_MEM *content, mode_t mode, bool replace)
{
    char aside[PATH_SIZE + 8];
    snprintf(aside, sizeof aside, "%s.new", path);
    unlink(aside);
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return MK_UNAVAILABLE;
    bool written = write(fd, content->data, content->length) == (ssize_t)content->length;
    written = fchmod(fd, mode) == 0 && fsync(fd) == 0 && written;
    written = close(fd) == 0 && written;
    int placed = !written ? -1 : replace ? rename(aside, path) : link(aside, path);
    mk_code code = placed == 0 ? MK_OK : errno == EEXIST ? MK_CONFLICT : MK_UNAVAILABLE;
    unlink(aside);
    return code;
}

static mk_code write_bio(BIO *bio, const char *dir, const char *name, mode_t mode, bool replace)
{
    char path[PATH_SIZE];
    BUF_MEM *content = NULL;
    MK_TRY(path_of(dir, name, path));
    BIO_get_mem_ptr(bio, &content);
    return write_file(path, content, mode, replace);
}

static BIO *new_bio(void)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    assert(bio != NULL);
    return bio;
}

/* ---- making certificates ---- */

typedef struct profile {
    int days;
    const char *usage, *extended_usage, *constraints; /* NULL: none */
    const char *names;                                /* subjectAltName, NULL: none */
} profile_t;

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    if (value == NULL) return true;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

/* 127 random bits: positive, and no two alike. */
static bool set_serial(X509 *certificate)
{
    uint8_t bytes[SERIAL_SIZE];
    bytes_random(bytes, sizeof bytes);
    bytes[0] = (uint8_t)((bytes[0] & 0x7F) | 0x40);
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool done = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return done;
}

static bool set_times(X509 *certificate, int days)
{
    time_t now = (time_t)(clock_wall_ms() / 1000);
    return X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -CLOCKS_DIFFER_S, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, &now) != NULL;
}

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0) == 1;
}

static X509_NAME *make_name(const char *common_name, const char *unit, const char *organisation)
{
    X509_NAME *name = X509_NAME_new();
    assert(name != NULL);
    bool done = add_name(name, "CN", common_name) && (unit == NULL || add_name(name, "OU", unit)) &&
                add_name(name, "O", organisation);
    if (done) return name;
    X509_NAME_free(name);
    return NULL;
}

static bool fill(X509 *certificate, X509 *issuer, const profile_t *profile)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           set_times(certificate, profile->days) &&
           add_extension(certificate, issuer, NID_basic_constraints, profile->constraints) &&
           add_extension(certificate, issuer, NID_key_usage, profile->usage) &&
           add_extension(certificate, issuer, NID_ext_key_usage, profile->extended_usage) &&
           add_extension(certificate, issuer, NID_subject_alt_name, profile->names) &&
           add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
}

/* issuer NULL: self-signed. Takes the name. NULL on failure. */
static X509 *make_certificate(X509_NAME *subject, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                              const profile_t *profile)
{
    X509 *certificate = X509_new();
    assert(certificate != NULL);
    X509 *signer = issuer == NULL ? certificate : issuer;
    bool done = subject != NULL && X509_set_subject_name(certificate, subject) == 1 &&
                X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1 &&
                X509_set_pubkey(certificate, key) == 1 && fill(certificate, signer, profile) &&
                X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
    X509_NAME_free(subject);
    if (done) return certificate;
    ERR_clear_error();
    X509_free(certificate);
    return NULL;
}

/* ---- the authority ---- */

static void remove_key(const char *dir)
{
    char path[PATH_SIZE];
    if (path_of(dir, "authority.key", path) == MK_OK) unlink(path);
}

/* The key's file says that there is an authority: it goes again when the others can't be written. */
static mk_code write_authority(const char *dir, EVP_PKEY *key, X509 *certificate)
{
    BIO *secret = new_bio(), *pem = new_bio(), *der = new_bio();
    bool made = PEM_write_bio_PKCS8PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                PEM_write_bio_X509(pem, certificate) == 1 && i2d_X509_bio(der, certificate) == 1;
    mk_code code = made ? write_bio(secret, dir, "authority.key", 0400, false) : MK_INTERNAL;
    bool has_key = code == MK_OK;
    if (code == MK_OK) code = write_bio(pem, dir, "authority.pem", 0444, true);
    if (code == MK_OK) code = write_bio(der, dir, "authority.der", 0444, true);
    if (has_key && code != MK_OK) remove_key(dir);
    BIO_free(secret);
    BIO_free(pem);
    BIO_free(der);
    return code;
}

mk_code authority_create(const char *dir, const char *common_name)
{
    static const profile_t root = {
        .days = ROOT_DAYS, .usage = "critical,keyCertSign,cRLSign", .constraints = "critical,CA:TRUE,pathlen:0"};
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) return MK_UNAVAILABLE;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert(key != NULL);
    X509 *certificate = make_certificate(make_name(common_name, NULL, "MyKey"), key, NULL, key, &root);
    assert(certificate != NULL);
    mk_code code = write_authority(dir, key, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return code;
}

static mk_code load_key(authority_t *self, const char *dir, const char **ret_why)
{
    char path[PATH_SIZE];
    struct stat info;
    *ret_why = "the path is too long";
    MK_TRY(path_of(dir, "authority.key", path));
    *ret_why = "authority.key can't be read";
    FILE *file = fopen(path, "re");
    if (file == NULL) return MK_UNAVAILABLE;
    *ret_why = "authority.key must be readable by its owner alone (chmod 0400)";
    mk_code code = fstat(fileno(file), &info) == 0 && (info.st_mode & 0077) == 0 ? MK_OK : MK_UNAVAILABLE;
    if (code == MK_OK) {
        *ret_why = "authority.key is not a private key in PEM";
        self->key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        if (self->key == NULL) code = MK_UNAVAILABLE;
    }
    fclose(file);
    return code;
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) return NULL;
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    if (certificate == NULL) {
        rewind(file);
        certificate = d2i_X509_fp(file, NULL);
    }
    fclose(file);
    ERR_clear_error();
    return certificate;
}

static mk_code load_certificate(authority_t *self, const char *dir, const char **ret_why)
{
    char path[PATH_SIZE];
    MK_TRY(path_of(dir, "authority.pem", path));
    *ret_why = "authority.pem is not a certificate";
    self->certificate = read_certificate(path);
    MK_ENSURE(self->certificate != NULL, MK_UNAVAILABLE);
    *ret_why = "authority.key and authority.pem don't belong together";
    MK_ENSURE(X509_check_private_key(self->certificate, self->key) == 1, MK_UNAVAILABLE);
    int size = i2d_X509(self->certificate, &self->der);
    assert(size > 0);
    self->der_size = (size_t)size;
    return MK_OK;
}

mk_code authority_load(const char *dir, authority_t **ret_authority, const char **ret_why)
{
    authority_t *self = calloc(1, sizeof *self);
    assert(self != NULL);
    mk_code code = load_key(self, dir, ret_why);
    if (code == MK_OK) code = load_certificate(self, dir, ret_why);
    ERR_clear_error();
    if (code != MK_OK) {
        authority_destroy(&self);
        return code;
    }
    *ret_authority = self;
    return MK_OK;
}

void authority_destroy(authority_t **self_p)
{
    authority_t *self = *self_p;
    if (self == NULL) return;
    EVP_PKEY_free(self->key);
    X509_free(self->certificate);
    OPENSSL_free(self->der);
    free(self);
    *self_p = NULL;
}

const uint8_t *authority_der(const authority_t *self, size_t *ret_size)
{
    *ret_size = self->der_size;
    return self->der;
}

mk_code authority_fingerprint(const char *path, uint8_t out[BYTES_SHA256_SIZE], const char **ret_why)
{
    *ret_why = "can't be read as a certificate (PEM or DER)";
    X509 *certificate = read_certificate(path);
    if (certificate == NULL) return MK_UNAVAILABLE;
    uint8_t *der = NULL;
    int size = i2d_X509(certificate, &der);
    *ret_why = "is not the certificate of an authority";
    mk_code code = size > 0 && X509_check_ca(certificate) == 1 ? MK_OK : MK_BAD_REQUEST;
    if (code == MK_OK) bytes_sha256(der, (size_t)size, out);
    OPENSSL_free(der);
    X509_free(certificate);
    return code;
}

/* ---- terminals ---- */

static bool is_p256(EVP_PKEY *key)
{
    char group[32];
    size_t size = 0;
    return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

/* The request's key if the request is well-formed and signed with it; NULL else. The caller frees. */
static EVP_PKEY *key_of_request(const uint8_t *csr, size_t size, const char **ret_why)
{
    const uint8_t *at = csr;
    *ret_why = "not a certificate request";
    X509_REQ *request = size <= CSR_MAX ? d2i_X509_REQ(NULL, &at, (long)size) : NULL;
    if (request == NULL || at != csr + size) {
        X509_REQ_free(request);
        return NULL;
    }
    EVP_PKEY *key = X509_REQ_get_pubkey(request);
    *ret_why = "the key is not EC P-256";
    bool right = key != NULL && is_p256(key);
    if (right) {
        *ret_why = "not signed with its own key";
        right = X509_REQ_verify(request, key) == 1;
    }
    X509_REQ_free(request);
    if (right) return key;
    EVP_PKEY_free(key);
    return NULL;
}

static size_t encode(X509 *certificate, uint8_t **ret_der)
{
    int size = i2d_X509(certificate, NULL);
    uint8_t *der = malloc(size > 0 ? (size_t)size : 1), *at = der;
    assert(der != NULL);
    size = i2d_X509(certificate, &at);
    assert(size > 0);
    *ret_der = der;
    return (size_t)size;
}

mk_code authority_sign_terminal(const authority_t *self, const char *terminal_id, const char *operator_id,
                                const uint8_t *csr, size_t csr_size, uint8_t **ret_der, size_t *ret_size,
                                const char **ret_why)
{
    static const profile_t terminal = {.days = TERMINAL_DAYS,
                                       .usage = "critical,digitalSignature",
                                       .extended_usage = "clientAuth",
                                       .constraints = "critical,CA:FALSE"};
    *ret_why = "not an id of a terminal or operator";
    MK_ENSURE(text_is_made_of(terminal_id, TEXT_ID, 1, 32) && text_is_made_of(operator_id, TEXT_ID, 1, 32),
              MK_BAD_REQUEST);
    EVP_PKEY *key = key_of_request(csr, csr_size, ret_why);
    ERR_clear_error();
    MK_ENSURE(key != NULL, MK_BAD_REQUEST);
    X509_NAME *name = make_name(terminal_id, operator_id, "MyKey terminal");
    X509 *certificate = make_certificate(name, key, self->certificate, self->key, &terminal);
    EVP_PKEY_free(key);
    *ret_why = "the certificate can't be made";
    MK_ENSURE(certificate != NULL, MK_INTERNAL);
    *ret_size = encode(certificate, ret_der);
    X509_free(certificate);
    return MK_OK;
}

/* ---- servers, and clients that are no terminals ---- */

static bool is_address(const char *host)
{
    uint8_t address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool is_host(const char *host)
{
    return is_address(host) || text_is_made_of(host, TEXT_ID ".*", 1, HOST_MAX);
}

static mk_code list_hosts(const char *const *hosts, size_t count, char out[SAN_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        MK_ENSURE(is_host(hosts[i]), MK_BAD_REQUEST);
        int size = snprintf(out + used, SAN_MAX - used, "%s%s:%s", i > 0 ? "," : "",
                            is_address(hosts[i]) ? "IP" : "DNS", hosts[i]);
        MK_ENSURE(size > 0 && (size_t)size < SAN_MAX - used, MK_TOO_LARGE);
        used += (size_t)size;
    }
    return MK_OK;
}

static mk_code write_issued(const authority_t *self, const char *dir, const char *file, X509 *certificate,
                            EVP_PKEY *key)
{
    BIO *pem = new_bio();
    bool made = PEM_write_bio_X509(pem, certificate) == 1 && PEM_write_bio_X509(pem, self->certificate) == 1 &&
                PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1;
    mk_code code = made ? write_bio(pem, dir, file, 0400, true) : MK_INTERNAL;
    BIO_free(pem);
    return code;
}

/* DIR/FILE: certificate, authority and a new key. */
static mk_code issue(const authority_t *self, const char *dir, const char *file, const char *common_name,
                     const profile_t *profile)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert(key != NULL);
    X509 *certificate =
        make_certificate(make_name(common_name, NULL, "MyKey"), key, self->certificate, self->key, profile);
    mk_code code = certificate == NULL ? MK_INTERNAL : write_issued(self, dir, file, certificate, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return code;
}

mk_code authority_issue_client(const authority_t *self, const char *dir, const char *name, const char **ret_why)
{
    static const profile_t client = {.days = SERVER_DAYS,
                                     .usage = "critical,digitalSignature",
                                     .extended_usage = "clientAuth",
                                     .constraints = "critical,CA:FALSE"};
    *ret_why = "a client's name is 1 to 32 of A-Z a-z 0-9 -";
    MK_ENSURE(text_is_made_of(name, TEXT_ID, 1, 32), MK_BAD_REQUEST);
    *ret_why = "client.pem can't be written: check the folder and its owner";
    return issue(self, dir, "client.pem", name, &client);
}

mk_code authority_issue_server(const authority_t *self, const char *dir, const char *const *hosts, size_t count,
                               const char **ret_why)
{
    char names[SAN_MAX];
    const profile_t server = {.days = SERVER_DAYS,
                              .usage = "critical,digitalSignature",
                              .extended_usage = "serverAuth",
                              .constraints = "critical,CA:FALSE",
                              .names = names};
    *ret_why = "not a host name or address";
    MK_TRY(list_hosts(hosts, count, names));
    *ret_why = "server.pem can't be written: check the folder and its owner";
    return issue(self, dir, "server.pem", "MyKey server", &server);
}
