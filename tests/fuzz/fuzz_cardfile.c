/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated card's folder: card.json, then, each behind a byte 1E, state.json and a certificate. A card that loads is
 * within its bounds, and what it writes down is read as the same card.
 * Parsers: tools/simcard/card.c */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static struct {
    const char *name;
    char *data;
    size_t size;
} files[] = {{"card.json", NULL, 0}, {"state.json", NULL, 0}, {"auth.der", NULL, 0}, {"auth.key", NULL, 0}};

enum { STATE = 1, CERTIFICATE, KEY, FILES };

static int find(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    for (int i = 0; i < FILES; i++)
        if (files[i].data != NULL && strcmp(name, files[i].name) == 0) return i;
    return -1;
}

static FILE *fuzz_open(const char *path, const char *mode)
{
    int i = find(path);
    return i < 0 || files[i].size == 0 ? NULL : fmemopen(files[i].data, files[i].size, mode);
}

static json_t *fuzz_json(const char *path, size_t flags)
{
    int i = find(path);
    return i < 0 ? NULL : json_loadb(files[i].data, files[i].size, flags, NULL);
}

static int fuzz_dump(const json_t *json, size_t flags)
{
    free(files[STATE].data);
    files[STATE].data = json_dumps(json, flags);
    HOLDS(files[STATE].data != NULL);
    files[STATE].size = strlen(files[STATE].data);
    return 0;
}

#define fopen fuzz_open
#define json_load_file(path, flags, error) fuzz_json(path, flags)
#define json_dump_file(json, path, flags) fuzz_dump(json, flags)
#define rename(from, to) ((void)(from), (void)(to), 0)
#include "tools/simcard/card.c"
#undef fopen

static void make_key(void)
{
    FILE *out = open_memstream(&files[KEY].data, &files[KEY].size);
    EVP_PKEY *key = EVP_RSA_gen(2048);
    HOLDS(out != NULL && key != NULL && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
    EVP_PKEY_free(key);
    fclose(out);
}

static bool same_state(const card_t *a, const card_t *b)
{
    for (int use = 0; use < CARD_KEYS; use++)
        if (a->tries[use] != b->tries[use] || strcmp(a->pins[use], b->pins[use]) != 0) return false;
    return true;
}

static void check_files(const card_t *card)
{
    size_t atr_size = 0;
    HOLDS(card_atr(card, &atr_size) != NULL && atr_size >= 2 && atr_size <= CARD_ATR_MAX);
    for (unsigned id = 0; id < 0x20; id++) {
        const card_file *file = card_find_file(card, (uint16_t)id);
        if (file == NULL) continue;
        bool holds_data = file->kind == CARD_FILE_CERT || file->kind == CARD_FILE_DATA;
        HOLDS(file->id == id && file->size <= CERT_MAX && (file->data != NULL) == holds_data);
        uint8_t sum = 0;
        for (size_t i = 0; i < file->size; i++) sum ^= file->data[i];
        (void)sum;
    }
    HOLDS(card_find_file(card, 0x000A) != NULL && card_find_file(card, 0x0018) != NULL);
}

static void check_pins(card_t *card)
{
    for (int use = 0; use < CARD_KEYS; use++) {
        const char *pin = card->pins[use];
        HOLDS(card_tries(card, use) <= 15 &&
              (card_pin_size_valid(use, strlen(pin)) || (use == CARD_SIGN && *pin == 0)));
    }
    unsigned tries = card_tries(card, CARD_AUTH);
    HOLDS(!card_check_pin(card, CARD_AUTH, (const uint8_t *)"\1\2\3\4", 4) ||
          strcmp(card->pins[CARD_AUTH], "\1\2\3\4") == 0);
    HOLDS(card_tries(card, CARD_AUTH) == (tries > 0 ? tries - 1 : 0) || card_tries(card, CARD_AUTH) == 3);
}

static void check_card(card_t *card)
{
    card_t *again = NULL;
    char why[CARD_WHY_MAX];
    check_files(card);
    check_pins(card);
    card_set_tries(card, CARD_SIGN, card_tries(card, CARD_SIGN)); /* writes the state down */
    HOLDS(card_load("/cards", "a", &again, why) == MK_OK && same_state(card, again));
    card_destroy(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    card_t *card = NULL;
    char why[CARD_WHY_MAX] = "";
    if (files[KEY].data == NULL) make_key();
    for (int i = 0; i < KEY; i++) {
        const uint8_t *end = i < CERTIFICATE && size > 0 ? memchr(data, 0x1e, size) : NULL;
        files[i].size = end == NULL ? size : (size_t)(end - data);
        files[i].data = fuzz_text(data, files[i].size);
        size_t used = files[i].size + (end != NULL);
        data += used;
        size -= used;
    }
    if (card_load("/cards", "a", &card, why) == MK_OK)
        check_card(card);
    else
        HOLDS(card == NULL && why[0] != '\0' && strlen(why) < sizeof why);
    card_destroy(&card);
    for (int i = 0; i < KEY; i++) free(files[i].data);
    return 0;
}
