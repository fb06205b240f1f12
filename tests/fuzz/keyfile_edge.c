/* SPDX-License-Identifier: Apache-2.0 */
/* The edge's secrets: one or two, and what is accepted as one of them stands in the file. */
#include "tests/fuzz/keyfile.h"

#include "services/gateway/secret.c"
#include "tests/fuzz/fuzz.h"

void fuzz_edge(const uint8_t *data, size_t size)
{
    edge_secret_t secret = {0};
    char *text = fuzz_text(data, size), *whole = strdup(text);
    HOLDS(whole != NULL);
    if (parse(text, &secret) == MK_OK) {
        char *rest = whole, *first = NULL;
        HOLDS(secret.count >= 1 && secret.count <= SECRETS_MAX);
        while (first == NULL || *first == '\0') first = fuzz_cut(&rest, '\n');
        if (strncmp(first, "edge ", 5) == 0) first += 5;
        HOLDS(strlen(first) >= SECRET_MIN && edge_secret_matches(&secret, first));
        first[0] = first[0] == 'a' ? 'b' : 'a';
        HOLDS(secret.count == 2 || !edge_secret_matches(&secret, first));
    }
    HOLDS(!edge_secret_matches(&secret, NULL) && !edge_secret_matches(&secret, ""));
    free(whole);
    free(text);
}
