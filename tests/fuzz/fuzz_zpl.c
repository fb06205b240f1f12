/* SPDX-License-Identifier: Apache-2.0 */
/* Files of sections; the first byte picks which: the broker's list of principals, a bus key (public or secret), an
 * operator's form, or one NAME=VALUE of such a form.
 * Parsers: services/broker/acl.c common/bus/bus_key.c tools/mykeyctl/operator_form.c */
#include "tests/fuzz/fuzz.h"

#include "common/base/text.h"
#include "common/bus/bus_key.h"
#include "services/broker/acl.c"
#include "tools/mykeyctl/operator_form.h"

/* The lines that say key, serve or call: what they say must be somewhere. */
static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n') {
        size_t indent = strspn(text, " ");
        count += indent == 8 && strspn(text, " \t\v\f\r") < strcspn(text, "\n#");
    }
    return count;
}

static void check_entry(const acl_t *acl, const acl_entry *entry, const char *text)
{
    HOLDS(entry->key_count >= 1 && entry->key_count <= ACL_KEYS_MAX);
    HOLDS(entry->serve_count <= ACL_SERVE_MAX && entry->call_count <= ACL_CALL_MAX);
    HOLDS(text_is_made_of(entry->principal->name, TEXT_ID, 1, ACL_NAME_MAX));
    HOLDS(strstr(text, entry->principal->name) != NULL);
    for (unsigned i = 0; i < entry->key_count; i++)
        HOLDS(strstr(text, entry->keys[i].text) != NULL && acl_find(acl, entry->keys[i].text) == entry);
    for (unsigned i = 0; i < entry->serve_count; i++)
        HOLDS(text_is_made_of(entry->serve[i], TEXT_ID, 1, BUS_SERVICE_MAX) && strcmp(entry->serve[i], "bus") != 0);
    for (unsigned i = 0; i < entry->call_count; i++) {
        const pattern *one = &entry->call[i];
        HOLDS(text_is_made_of(one->service, TEXT_ID, 1, BUS_SERVICE_MAX));
        HOLDS(strcmp(one->method, "*") == 0 || text_is_made_of(one->method, TEXT_ID, 1, BUS_METHOD_MAX));
        HOLDS(acl_may_call(entry, bus_slice_text(one->service), bus_slice_text(one->method)));
    }
}

static void check_acl(const acl_t *acl, const char *text)
{
    size_t keys = 0, lines = 0;
    HOLDS(acl->count >= 1 && acl->count <= ACL_PRINCIPALS_MAX);
    for (unsigned i = 0; i < acl->count; i++) {
        const acl_entry *entry = &acl->entries[i];
        check_entry(acl, entry, text);
        keys += entry->key_count;
        lines += entry->key_count + entry->serve_count + entry->call_count;
        for (unsigned k = 0; k < i; k++) HOLDS(entry->principal != acl->entries[k].principal);
    }
    HOLDS(keys == acl->by_key.count && lines == count_lines(text));
}

static void fuzz_acl(const uint8_t *data, size_t size)
{
    acl_names_t *names = acl_names_new();
    acl_t *acl = NULL;
    const char *why = NULL;
    char *text = fuzz_text(data, size);
    if (acl_parse(names, text, &acl, &why) == MK_OK) {
        check_acl(acl, text);
    } else {
        HOLDS(acl == NULL && why != NULL);
    }
    acl_destroy(&acl);
    acl_names_destroy(&names);
    free(text);
}

static void fuzz_key(const uint8_t *data, size_t size)
{
    bus_key key;
    char public_text[BUS_KEY_TEXT + 1];
    const char *why = NULL, *path = fuzz_file(data, size);
    bool has_public = bus_key_load_public(path, public_text, &why) == MK_OK;
    if (has_public) HOLDS(bus_key_text_valid(public_text));
    if (bus_key_load_secret(path, &key, &why) != MK_OK) return;
    HOLDS(has_public && strcmp(public_text, key.public_text) == 0 && bus_key_text_valid(key.secret_text));
}

/* No line too long for a form, no value with a quote in it. */
static bool can_be_read(const char *text)
{
    for (; *text != '\0'; text += strcspn(text, "\n") + 1) {
        size_t size = strcspn(text, "\n"), quotes = 0;
        for (size_t i = 0; i < size; i++) quotes += text[i] == '"';
        if (size > 1000 || (quotes != 0 && quotes != 2)) return false;
    }
    return true;
}

static void check_again(const char *text, const json_t *json)
{
    char why[OPERATOR_WHY_MAX] = "";
    operator_form_t *again = operator_form_new();
    HOLDS(operator_form_read(again, fuzz_file((const uint8_t *)text, strlen(text)), why) == MK_OK);
    json_t *shown = operator_form_json(operator_form_message(again));
    HOLDS(json_equal(json, shown));
    json_decref(shown);
    operator_form_destroy(&again);
}

/* What is understood can be shown, and the showing is understood. */
static void check_form(operator_form_t *form)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    HOLDS(out != NULL);
    operator_form_print(operator_form_message(form), out);
    fclose(out);
    json_t *json = operator_form_json(operator_form_message(form));
    HOLDS(json_is_object(json) && strlen(operator_form_kind(operator_form_message(form))) >= 1);
    if (can_be_read(text)) check_again(text, json);
    json_decref(json);
    free(text);
}

static void fuzz_form(const uint8_t *data, size_t size)
{
    char why[OPERATOR_WHY_MAX] = "";
    operator_form_t *form = operator_form_new();
    if (operator_form_read(form, fuzz_file(data, size), why) == MK_OK)
        check_form(form);
    else
        HOLDS(why[0] != '\0' && strlen(why) < sizeof why);
    operator_form_destroy(&form);
}

static void fuzz_set(const uint8_t *data, size_t size)
{
    char why[OPERATOR_WHY_MAX] = "", *text = fuzz_text(data, size), *rest = text;
    operator_form_t *form = operator_form_new();
    mk_code code = MK_OK;
    while (code == MK_OK && *rest != '\0') {
        char *line = fuzz_cut(&rest, '\n');
        if (strstr(line, "_file") == NULL) code = operator_form_set(form, line, why);
    }
    if (code == MK_OK) check_form(form);
    operator_form_destroy(&form);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(const uint8_t *, size_t) = {fuzz_acl, fuzz_key, fuzz_form, fuzz_set};
    static const char file[] = "_file";
    if (size == 0) return 0;
    bool names_file = memmem(data, size, file, sizeof file - 1) != NULL; /* no file of this host is read */
    if (!names_file) kinds[data[0] % 4](data + 1, size - 1);
    return 0;
}
