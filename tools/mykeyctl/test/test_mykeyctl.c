/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that need no bus: command line, CSV, operators as text, the terminal authority. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/mykeyctl/args.h"
#include "tools/mykeyctl/authority.h"
#include "tools/mykeyctl/csv.h"
#include "tools/mykeyctl/operator_form.h"

/* ---- arguments ---- */

static void test_args(void **state)
{
    char *line[] = {"mykeyctl", "--config", "f", "terminal", "invite", "A1",     "--set",
                    "a=b",      "--label",  "x", "--set",    "c=d",    "--json", NULL};
    args_t args;
    const char *wrong = NULL;
    (void)state;
    assert_true(args_read(13, line, &args, &wrong));
    assert_int_equal(args.word_count, 3);
    assert_string_equal(args.words[2], "A1");
    assert_string_equal(args.config, "f");
    assert_string_equal(args.label, "x");
    assert_int_equal(args.set_count, 2);
    assert_true(args.json);
    assert_null(args_unexpected(&args, "csv label"));
    assert_string_equal(args_unexpected(&args, "csv"), "label");
    assert_string_equal(args_unexpected(&args, "mylabel label2"), "label");
}

static void test_args_wrong(void **state)
{
    char *unknown[] = {"mykeyctl", "--wat", NULL}, *lacking[] = {"mykeyctl", "keys", "--config", NULL};
    args_t args;
    const char *wrong = NULL;
    (void)state;
    assert_false(args_read(2, unknown, &args, &wrong));
    assert_string_equal(wrong, "--wat");
    assert_false(args_read(3, lacking, &args, &wrong));
    assert_string_equal(wrong, "--config");
}

/* ---- CSV ---- */

static void test_csv_rows(void **state)
{
    csv_t csv = {"a,b\r\n\r\n\"x \"\"y\"\",\nz\",\n\nlast", 0};
    csv_row row;
    (void)state;
    assert_int_equal(csv_next(&csv, &row), MK_OK);
    assert_int_equal(row.count, 2);
    assert_string_equal(row.fields[1], "b");
    assert_int_equal(csv_next(&csv, &row), MK_OK);
    assert_string_equal(row.fields[0], "x \"y\",\nz");
    assert_string_equal(row.fields[1], "");
    assert_int_equal(row.line, 3);
    assert_int_equal(csv_next(&csv, &row), MK_OK);
    assert_string_equal(row.fields[0], "last");
    assert_int_equal(row.line, 6);
    assert_int_equal(csv_next(&csv, &row), MK_NOT_FOUND);
}

static void test_csv_refuses(void **state)
{
    char field[CSV_FIELD_MAX + 8];
    memset(field, 'a', sizeof field);
    field[CSV_FIELD_MAX] = 0;
    const char *const texts[] = {"\"open", "\"a\"b", "a\"b", "1,2,3,4,5,6,7,8,9", field};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        csv_t csv = {texts[i], 0};
        csv_row row;
        assert_int_equal(csv_next(&csv, &row), MK_BAD_REQUEST);
    }
    field[CSV_FIELD_MAX - 1] = 0;
    csv_t csv = {field, 0};
    csv_row row;
    assert_int_equal(csv_next(&csv, &row), MK_OK);
}

static void test_csv_is_no_formula(void **state)
{
    static const struct row {
        const char *field, *written;
    } rows[] = {
        {"plain", "\"plain\""},  {"a,\"b\"", "\"a,\"\"b\"\"\""},
        {"=1+1", "\"'=1+1\""},   {"+1", "\"'+1\""},
        {"-1", "\"'-1\""},       {"@SUM(A1)", "\"'@SUM(A1)\""},
        {"\t=1", "\"'\t=1\""},   {" =1", "\"' =1\""},
        {"＝cmd", "\"'＝cmd\""}, {"＠x", "\"'＠x\""},
        {"\r=1", "\"'\r=1\""},   {"", "\"\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        csv_print(rows[i].field, out);
        fclose(out);
        assert_string_equal(text, rows[i].written);
        free(text);
    }
}

/* ---- operators ---- */

static char folder[] = "/tmp/mk-ctl-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void write_text(const char *name, const char *text, char path[256])
{
    snprintf(path, 256, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_operator_file(void **state)
{
    char path[256], terms[256], text[1024], why[OPERATOR_WHY_MAX];
    (void)state;
    write_text("terms", "一行目\n二行目\n\n", terms);
    snprintf(text, sizeof text,
             "#   a comment\noperator\n    operator_id = \"A1\"\n    kind = \"museum\"\n    name_ja = \"A1 美術館\"\n"
             "    terms_ja_file = \"%s\"\n    output\n        symbology = \"code39\"\n        keyboard = \"true\"\n"
             "        key_delay_ms = \"0\"\n    number\n        min_length = \"3\"\n",
             terms);
    write_text("a1.zpl", text, path);
    operator_form_t *form = operator_form_new();
    assert_int_equal(operator_form_read(form, path, why), MK_OK);
    assert_int_equal(operator_form_set(form, "output.clear_after_s=45", why), MK_OK);
    Mykey__Registry__Operator *read = operator_form_message(form);
    assert_string_equal(read->operator_id, "A1");
    assert_int_equal(read->kind, MYKEY__REGISTRY__OPERATOR_KIND__OPERATOR_KIND_MUSEUM);
    assert_string_equal(read->terms_ja, "一行目\n二行目");
    assert_int_equal(read->output->symbology, MYKEY__REGISTRY__SYMBOLOGY__SYMBOLOGY_CODE39);
    assert_true(read->output->has_keyboard && read->output->keyboard);
    assert_true(read->output->has_key_delay_ms && read->output->key_delay_ms == 0);
    assert_int_equal(read->output->clear_after_s, 45);
    assert_false(read->output->has_key_suffix);
    assert_int_equal(read->number->min_length, 3);
    json_t *json = operator_form_json(read);
    assert_string_equal(json_string_value(json_object_get(json, "kind")), "museum");
    assert_true(json_is_true(json_object_get(json_object_get(json, "output"), "keyboard")));
    json_decref(json);
    operator_form_destroy(&form);
}

static void test_operator_print_reads_back(void **state)
{
    static const char *const words[] = {"operator_id=B1",         "kind=library",          "name_en=B1",
                                        "terms_version=2",        "number.max_length=8",   "number.digits_only=true",
                                        "output.check_digit=7dr", "output.key_suffix=tab", "output.start_stop=AB"};
    char path[256], why[OPERATOR_WHY_MAX];
    operator_form_t *first = operator_form_new(), *second = operator_form_new();
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_int_equal(operator_form_set(first, words[i], why), MK_OK);
    write_text("b1.zpl", "", path);
    FILE *file = fopen(path, "w");
    operator_form_print(operator_form_message(first), file);
    fclose(file);
    assert_int_equal(operator_form_read(second, path, why), MK_OK);
    json_t *a = operator_form_json(operator_form_message(first)),
           *b = operator_form_json(operator_form_message(second));
    assert_true(json_equal(a, b));
    assert_int_equal(json_object_size(json_object_get(a, "output")), 3);
    json_decref(a);
    json_decref(b);
    operator_form_destroy(&first);
    operator_form_destroy(&second);
}

static void test_operator_refuses(void **state)
{
    static const char *const files[] = {
        "other\n    operator_id = \"A1\"\n",
        "operator\n    colour = \"red\"\n",
        "operator\n    kind = \"bakery\"\n",
        "operator\n    operator_id = \"A1\"\n    operator_id = \"A2\"\n",
        "operator\n    output\n        keyboard = \"yes\"\n",
        "operator\n    number\n        min_length = \"-1\"\n",
        "operator\n    output\n        symbology\n            x = \"1\"\n",
        "operator\n    terms_ja_file = \"/nowhere/terms\"\n",
        "operator\n\toperator_id = \"A1\"\n",
        ("operator\n    operator_id = \"A1\"\n"
         "number\n    min_length = \"3\"\n"),
        "",
    };
    char path[256], why[OPERATOR_WHY_MAX], longer[1200];
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        operator_form_t *form = operator_form_new();
        write_text("bad.zpl", files[i], path);
        why[0] = 0;
        assert_int_not_equal(operator_form_read(form, path, why), MK_OK);
        assert_true(why[0] != 0);
        operator_form_destroy(&form);
    }
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = 0;
    write_text("bad.zpl", longer, path);
    operator_form_t *form = operator_form_new();
    assert_int_not_equal(operator_form_read(form, path, why), MK_OK);
    assert_int_not_equal(operator_form_set(form, "operator_id", why), MK_OK);
    assert_int_not_equal(operator_form_set(form, "output.colour=red", why), MK_OK);
    assert_int_not_equal(operator_form_set(form, "name_ja=\xff", why), MK_OK);
    mk_code code = MK_OK;
    for (int i = 0; i < 100; i++) code = operator_form_set(form, "name_ja=one of too many", why);
    assert_int_equal(code, MK_TOO_LARGE);
    operator_form_destroy(&form);
}

/* ---- the authority ---- */

static X509_REQ *make_request(EVP_PKEY *key, EVP_PKEY *signer)
{
    X509_REQ *request = X509_REQ_new();
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8,
                               (const unsigned char *)"someone else", -1, -1, 0);
    assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
    assert_true(X509_REQ_sign(request, signer, EVP_sha256()) > 0);
    return request;
}

static mk_code sign(authority_t *authority, EVP_PKEY *key, EVP_PKEY *signer, uint8_t **ret_der, size_t *ret_size,
                    size_t extra)
{
    const char *why = "";
    uint8_t csr[4096] = {0}, *at = csr;
    X509_REQ *request = make_request(key, signer);
    size_t size = (size_t)i2d_X509_REQ(request, &at);
    X509_REQ_free(request);
    return authority_sign_terminal(authority, "t-1", "A1", csr, size + extra, ret_der, ret_size, &why);
}

static authority_t *open_authority(void)
{
    static char dir[64];
    authority_t *authority = NULL;
    const char *why = "";
    snprintf(dir, sizeof dir, "%s/ca", folder);
    mk_code code = authority_create(dir, "MyKey test authority");
    assert_true(code == MK_OK || code == MK_CONFLICT);
    assert_int_equal(authority_load(dir, &authority, &why), MK_OK);
    return authority;
}

static void check_name(X509 *certificate, int nid, const char *wanted)
{
    char text[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), nid, text, sizeof text);
    assert_string_equal(text, wanted);
}

static void test_terminal_certificate(void **state)
{
    authority_t *authority = open_authority();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    uint8_t *der = NULL;
    size_t size = 0, root_size = 0;
    (void)state;
    assert_int_equal(sign(authority, key, key, &der, &size, 0), MK_OK);
    const uint8_t *at = der, *root_at = authority_der(authority, &root_size);
    X509 *certificate = d2i_X509(NULL, &at, (long)size), *root = d2i_X509(NULL, &root_at, (long)root_size);
    check_name(certificate, NID_commonName, "t-1");
    check_name(certificate, NID_organizationalUnitName, "A1");
    check_name(certificate, NID_organizationName, "MyKey terminal");
    EVP_PKEY *root_key = X509_get_pubkey(root);
    assert_int_equal(X509_verify(certificate, root_key), 1);
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(certificate), key), 1);
    assert_int_equal(X509_get_extended_key_usage(certificate), XKU_SSL_CLIENT);
    assert_int_equal(X509_get_key_usage(certificate), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_check_ca(certificate), 0);
    int days = 0, seconds = 0;
    ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate), X509_get0_notAfter(certificate));
    assert_int_equal(days, 90);
    assert_non_null(X509_get0_subject_key_id(certificate));
    assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(certificate), X509_get0_subject_key_id(root)), 0);
    assert_true(ASN1_STRING_length(X509_get0_serialNumber(certificate)) >= 8);
    EVP_PKEY_free(root_key);
    X509_free(certificate);
    X509_free(root);
    EVP_PKEY_free(key);
    free(der);
    authority_destroy(&authority);
}

static void test_requests_refused(void **state)
{
    authority_t *authority = open_authority();
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256"), *wide = EVP_EC_gen("P-384"),
             *rsa = EVP_RSA_gen(2048);
    uint8_t *der = NULL, junk[] = {0x30, 0x03, 0x02, 0x01, 0x00};
    size_t size = 0;
    const char *why = "";
    (void)state;
    assert_int_equal(sign(authority, key, other, &der, &size, 0), MK_BAD_REQUEST);
    assert_int_equal(sign(authority, wide, wide, &der, &size, 0), MK_BAD_REQUEST);
    assert_int_equal(sign(authority, rsa, rsa, &der, &size, 0), MK_BAD_REQUEST);
    assert_int_equal(sign(authority, key, key, &der, &size, 1), MK_BAD_REQUEST);
    assert_int_equal(authority_sign_terminal(authority, "t-1", "A1", junk, sizeof junk, &der, &size, &why),
                     MK_BAD_REQUEST);
    assert_int_equal(authority_sign_terminal(authority, "t-1", "A1", NULL, 0, &der, &size, &why), MK_BAD_REQUEST);
    assert_int_equal(authority_sign_terminal(authority, "t 1", "A1", junk, sizeof junk, &der, &size, &why),
                     MK_BAD_REQUEST);
    assert_null(der);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    EVP_PKEY_free(wide);
    EVP_PKEY_free(rsa);
    authority_destroy(&authority);
}

static void test_authority_files(void **state)
{
    char path[300];
    const char *why = "";
    uint8_t pem[32], der[32], server[32];
    struct stat info;
    authority_t *authority = open_authority(), *again = NULL;
    const char *const hosts[] = {"localhost", "127.0.0.1", "::1"}, *bad[] = {"a,DNS:evil"};
    (void)state;
    snprintf(path, sizeof path, "%s/ca", folder);
    assert_int_equal(authority_create(path, "test"), MK_CONFLICT);
    assert_int_equal(authority_issue_server(authority, path, hosts, 3, &why), MK_OK);
    assert_int_equal(authority_issue_server(authority, path, bad, 1, &why), MK_BAD_REQUEST);
    snprintf(path, sizeof path, "%s/ca/authority.pem", folder);
    assert_int_equal(authority_fingerprint(path, pem, &why), MK_OK);
    snprintf(path, sizeof path, "%s/ca/authority.der", folder);
    assert_int_equal(authority_fingerprint(path, der, &why), MK_OK);
    assert_memory_equal(pem, der, 32);
    snprintf(path, sizeof path, "%s/ca/server.pem", folder);
    assert_int_equal(authority_fingerprint(path, server, &why), MK_BAD_REQUEST);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0400);
    snprintf(path, sizeof path, "%s/ca/authority.key", folder);
    assert_int_equal(chmod(path, 0440), 0);
    snprintf(path, sizeof path, "%s/ca", folder);
    assert_int_equal(authority_load(path, &again, &why), MK_UNAVAILABLE);
    assert_non_null(strstr(why, "0400"));
    snprintf(path, sizeof path, "%s/ca/authority.key", folder);
    assert_int_equal(chmod(path, 0400), 0);
    authority_destroy(&authority);
}

static void test_half_an_authority_does_not_stay(void **state)
{
    char dir[64], path[96];
    const char *why = "";
    authority_t *authority = NULL;
    (void)state;
    snprintf(dir, sizeof dir, "%s/half", folder);
    snprintf(path, sizeof path, "%s/authority.pem", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* no file can take its place */
    assert_int_equal(authority_create(dir, "test"), MK_UNAVAILABLE);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(authority_create(dir, "test"), MK_OK);
    assert_int_equal(authority_load(dir, &authority, &why), MK_OK);
    authority_destroy(&authority);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_args),
        cmocka_unit_test(test_args_wrong),
        cmocka_unit_test(test_csv_rows),
        cmocka_unit_test(test_csv_refuses),
        cmocka_unit_test(test_csv_is_no_formula),
        cmocka_unit_test(test_operator_file),
        cmocka_unit_test(test_operator_print_reads_back),
        cmocka_unit_test(test_operator_refuses),
        cmocka_unit_test(test_terminal_certificate),
        cmocka_unit_test(test_requests_refused),
        cmocka_unit_test(test_authority_files),
        cmocka_unit_test(test_half_an_authority_does_not_stay),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
