/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal's profile: the first byte picks terminal.pem, next.id (what is under way), or what the platform sends as
 * certificate and authority (their sizes in two bytes each). Nothing but the expected authority's certificate for our
 * own key is accepted.
 * Parsers: agent/profile.c */
#include "tests/fuzz/fuzz.h"

#define fsync(fd) ((fd) < 0 ? -1 : 0) /* thousands of files a second */
#include "agent/profile.c"

static profile_t *make_profile(void)
{
    static char directory[] = "/tmp/mykey-fuzz-XXXXXX";
    profile_t *self = NULL;
    uint8_t csr[PROFILE_CSR_MAX];
    size_t size = 0;
    HOLDS(mkdtemp(directory) != NULL && profile_open(directory, &self) == MK_OK);
    HOLDS(profile_new_key(self, csr, &size) == MK_OK && size > 0 && size <= sizeof csr);
    return self;
}

static void forget_profile(void);

static profile_t *get_profile(void)
{
    static profile_t *self;
    if (self == NULL) {
        self = make_profile();
        (void)atexit(forget_profile);
    }
    return self;
}

static void forget_profile(void)
{
    profile_t *self = get_profile();
    (void)unlink(self->identity);
    (void)unlink(self->authority);
    profile_abandon(self);
    *strrchr(self->next, '/') = '\0';
    (void)rmdir(self->next);
    profile_destroy(&self);
}

static void put(const char *path, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HOLDS(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)close(fd);
}

static void fuzz_identity(profile_t *self, const uint8_t *data, size_t size)
{
    profile_identity identity;
    put(self->identity, data, size);
    if (profile_load(self, &identity) != MK_OK) return;
    HOLDS(text_is_made_of(identity.terminal_id, TEXT_ID, 1, PROFILE_ID_MAX));
    HOLDS(text_is_made_of(identity.operator_id, TEXT_ID, 1, PROFILE_ID_MAX));
}

static void fuzz_pending(profile_t *self, const uint8_t *data, size_t size)
{
    profile_pending pending, again;
    put(self->pending, data, size);
    if (profile_pending_load(self, &pending) != MK_OK) return;
    HOLDS(pending.id_size >= 1 && pending.id_size <= PROFILE_ENROLMENT_MAX);
    HOLDS(profile_set_pending(self, &pending) == MK_OK && profile_pending_load(self, &again) == MK_OK);
    HOLDS(memcmp(&pending, &again, sizeof again) == 0);
}

/* The issuer's own hash is expected, so that what comes behind that check is reached; nobody signed for our key. */
static void fuzz_accept(profile_t *self, const uint8_t *data, size_t size)
{
    uint8_t expected[BYTES_SHA256_SIZE];
    if (size < 2) return;
    size_t first = (size_t)data[0] << 8 | data[1];
    size -= 2;
    if (first > size) first = size;
    uint8_t *certificate = malloc(first + 1), *authority = malloc(size - first + 1);
    HOLDS(certificate != NULL && authority != NULL);
    memcpy(certificate, data + 2, first);
    memcpy(authority, data + 2 + first, size - first);
    bytes_sha256(authority, size - first, expected);
    HOLDS(profile_accept(self, certificate, first, authority, size - first, expected) != MK_OK);
    expected[0] ^= 1;
    HOLDS(profile_accept(self, certificate, first, authority, size - first, expected) == MK_CERT_UNTRUSTED);
    free(certificate);
    free(authority);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(profile_t *, const uint8_t *, size_t) = {fuzz_identity, fuzz_pending, fuzz_accept};
    if (size > 0 && size < FILE_SIZE) kinds[data[0] % 3](get_profile(), data + 1, size - 1);
    return 0;
}
