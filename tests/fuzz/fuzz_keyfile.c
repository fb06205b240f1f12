/* SPDX-License-Identifier: Apache-2.0 */
/* Files with keys, a line each; the first byte picks which: keyring, the edge's secrets, the log of deletions, the pins
 * of the roots.
 * Parsers: common/keyfile/keyfile.c services/gateway/secret.c services/registry/deletion_log.c
 * services/jpki-verify/anchors.c common/base/bytes.c */
#include "tests/fuzz/fuzz.h"

#include "common/keyfile/keyfile.c"
#include "tests/fuzz/keyfile.h"

static void fuzz_ring(const uint8_t *data, size_t size)
{
    keyring_t *ring = calloc(1, sizeof *ring);
    uint8_t mac[KEYFILE_MAC_SIZE];
    char *text = fuzz_text(data, size);
    HOLDS(ring != NULL);
    if (parse(text, ring) == NULL) {
        unsigned count = 0;
        uint32_t version = keyring_newest(ring);
        for (uint32_t older; version != 0; version = older, count++) {
            HOLDS(keyring_mac(ring, version, mac, sizeof mac, mac) == MK_OK);
            older = keyring_older(ring, version);
            HOLDS(older < version);
        }
        HOLDS(count == ring->count && count >= 1 && count <= KEYFILE_KEYS_MAX);
    }
    keyring_destroy(&ring);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fuzz_fn *const files[] = {fuzz_ring, fuzz_edge, fuzz_log, fuzz_pins};
    if (size > 0) files[data[0] % (sizeof files / sizeof files[0])](data + 1, size - 1);
    return 0;
}
