/* SPDX-License-Identifier: Apache-2.0 */
/* Files of sections; the first byte picks which: the broker's list of principals, a bus key (public or secret), an
 * operator's form, or one NAME=VALUE of such a form.
 * Parsers: services/broker/acl.c common/bus/bus_key.c tools/mykeyctl/operator_form.c */
#include "tests/fuzz/fuzz.h"

#include "common/base/text.h"
#include "common/bus/bus_key.h"
#include "services/broker/acl.h"
#include "tools/mykeyctl/operator_form.h"

static void check_service(const char *service, void *arg)
{
    size_t *count = arg;
    HOLDS(text_is_made_of(service, TEXT_ID, 1, BUS_SERVICE_MAX) && strcmp(service, "bus") != 0);
    (*count)++;
}

static void fuzz_acl(const uint8_t *data, size_t size)
{
    static const char key[] = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"; /* of ZeroMQ's own documentation */
    acl_names_t *names = acl_names_new();
    acl_t *acl = NULL;
    const char *why = NULL;
    char *text = fuzz_text(data, size);
    if (acl_parse(names, text, &acl, &why) == MK_OK) {
        size_t services = 0;
        acl_each_service(acl, check_service, &services);
        HOLDS(services <= ACL_PRINCIPALS_MAX * ACL_SERVE_MAX);
        const acl_entry *entry = acl_find(acl, key);
        HOLDS(entry == NULL || strstr(text, key) != NULL);
        if (entry != NULL) HOLDS(text_is_made_of(acl_principal(entry)->name, TEXT_ID, 1, ACL_NAME_MAX));
        if (entry != NULL) HOLDS(!acl_may_serve(entry, bus_slice_text("bus")));
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

/* What is understood can be shown, and the showing is understood. */
static void check_form(operator_form_t *form)
{
    char *text = NULL, why[OPERATOR_WHY_MAX] = "";
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    HOLDS(out != NULL);
    operator_form_print(operator_form_message(form), out);
    fclose(out);
    json_t *json = operator_form_json(operator_form_message(form));
    HOLDS(json_is_object(json) && strlen(operator_form_kind(operator_form_message(form))) >= 1);
    json_decref(json);
    free(text);
    HOLDS(strlen(why) < sizeof why);
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
