/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "services/broker/acl.h"

#define KEY_A "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_B "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

static const char good[] = "principal\n    points\n        key = \"" KEY_A "\"\n        key = \"" KEY_B "\"\n"
                           "        serve = points\n        call = \"registry.Lookup\"\n        call = \"bus.*\"\n";

static bus_slice text(const char *s)
{
    return bus_slice_text(s);
}

static void rights(void **state)
{
    (void)state;
    acl_names_t *names = acl_names_new();
    acl_t *acl;
    const char *why;
    assert_int_equal(acl_parse(names, good, &acl, &why), MK_OK);
    const acl_entry *entry = acl_find(acl, KEY_B);
    assert_ptr_equal(entry, acl_find(acl, KEY_A));
    assert_string_equal(acl_principal(entry)->name, "points");
    assert_true(acl_may_call(entry, text("registry"), text("Lookup")) && acl_may_call(entry, text("bus"), text("Any")));
    assert_false(acl_may_call(entry, text("registry"), text("LookupX")));
    assert_false(acl_may_call(entry, text("registr"), text("Lookup")));
    assert_true(acl_may_serve(entry, text("points")));
    assert_false(acl_may_serve(entry, text("registry")));
    const principal_t *before = acl_principal(entry);
    acl_t *second;
    assert_int_equal(acl_parse(names, good, &second, &why), MK_OK);
    assert_ptr_equal(acl_principal(acl_find(second, KEY_A)), before); /* requests may point to it */
    acl_destroy(&acl);
    acl_destroy(&second);
    acl_names_destroy(&names);
}

static void two_sections(void **state)
{
    (void)state;
    static const char file[] =
        "principal\n    a\n        key = \"" KEY_A "\"\nprincipal\n    b\n        key = \"" KEY_B "\"\n";
    acl_names_t *names = acl_names_new();
    acl_t *acl = NULL;
    const char *why = NULL;
    assert_int_equal(acl_parse(names, file, &acl, &why), MK_OK);
    assert_string_equal(acl_principal(acl_find(acl, KEY_A))->name, "a");
    assert_string_equal(acl_principal(acl_find(acl, KEY_B))->name, "b");
    acl_destroy(&acl);
    acl_names_destroy(&names);
}

#define P "principal\n    p\n"
#define K "        key = \"" KEY_A "\"\n"

static void bad_files(void **state)
{
    (void)state;
    static const char *const files[] = {
        "",
        "principal\n",
        "other\n",
        P,
        P "        key = short\n",
        P K K,
        P K "    q\n" K,
        P K "    p\n        key = \"" KEY_B "\"\n",
        P K "        allow = x\n",
        P K "        call = registry\n",
        P K "        call = \".Lookup\"\n",
        P K "        call = \"registry.\"\n",
        P K "        call = \"registry.**\"\n",
        P K "        call = \"a*.Lookup\"\n",
        P K "        serve = bus\n",
        P K "        serve = \"two words\"\n",
        P K "        serve = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
        "principal\n    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" K,
    };
    acl_names_t *names = acl_names_new();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        acl_t *acl = NULL;
        const char *why = NULL;
        if (acl_parse(names, files[i], &acl, &why) != MK_BAD_REQUEST) fail_msg("accepted: %s", files[i]);
        assert_true(acl == NULL && why != NULL);
    }
    acl_names_destroy(&names);
}

/* What zconfig must not see, and a file whose end a NUL hides. */
static void fenced(void **state)
{
    (void)state;
    static const char hidden[] = "principal\n    points\n" K "\0    other\n";
    char path[] = "/tmp/mkacl-XXXXXX", line[1600];
    acl_names_t *names = acl_names_new();
    acl_t *acl = NULL;
    const char *why = NULL;
    snprintf(line, sizeof line, "%s#%01000d\n", good, 0);
    assert_int_equal(acl_parse(names, line, &acl, &why), MK_BAD_REQUEST);
    assert_string_equal(why, "over 1000 bytes");
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, hidden, sizeof hidden - 1) == sizeof hidden - 1);
    assert_int_not_equal(acl_load(names, path, &acl, &why), MK_OK);
    assert_null(acl);
    (void)close(fd);
    (void)unlink(path);
    acl_names_destroy(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rights), cmocka_unit_test(two_sections),
                                       cmocka_unit_test(bad_files), cmocka_unit_test(fenced)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
