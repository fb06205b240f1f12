/* SPDX-License-Identifier: Apache-2.0 */
/* Full verifications per second of CPU inside jpki-verify's checking library, each certificate another one.
 * Usage: verify_rate RECORDS ROOT.der ROOT.crl MILLISECONDS [SKIP]: prints verifications/s. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "services/jpki-verify/list.h"
#include "tests/bench/verify_record.h"

static void fail(const char *what)
{
    fprintf(stderr, "verify_rate: %s\n", what);
    exit(1);
}

static der_t map_file(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) fail(path);
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) fail(path);
    return (der_t){data, (size_t)info.st_size};
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void verify(const trust_t *trust, const struct record *record)
{
    size_t count;
    const check_row *rows = check_certificate_rows(&count);
    check_subject subject = {.trust = trust,
                             .now_s = (int64_t)(clock_wall_ms() / 1000),
                             .certificate = {record->certificate, record->size},
                             .signature = {record->signature, sizeof record->signature},
                             .digest = record->digest};
    check_id failed = check_run(rows, count, &subject);
    if (failed != CHECK_PASSED) fail(check_find(failed)->id);
}

/* As the reader of lists and the parser do. */
static void open_index(trust_t *trust, der_t data)
{
    list_t list;
    const root_t *root;
    list_fault fault = list_read(data, trust->profile, &list);
    if (fault == LIST_TAKEN) fault = list_check(&list, trust, (int64_t)(clock_wall_ms() / 1000), NULL, &root);
    int fd = memfd_create("index", MFD_CLOEXEC);
    index_part part = fault == LIST_TAKEN ? list_part(&list, root) : (index_part){0};
    if (fault == LIST_TAKEN) fault = list_write(&list, &part, fd, NULL);
    if (fault != LIST_TAKEN) fail(list_fault_name(fault));
    size_t size = (size_t)lseek(fd, 0, SEEK_END);
    if (!index_open(&trust->index, mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0), size)) fail("the index");
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc < 5) fail("usage: verify_rate RECORDS ROOT.der ROOT.crl MILLISECONDS [SKIP]");
    der_t file = map_file(argv[1]);
    const struct record *records = (const void *)file.data;
    size_t record_count = file.size / sizeof *records, done = 0;
    size_t at = argc > 5 ? strtoul(argv[5], NULL, 10) % record_count : 0;
    trust_t *trust = trust_new(profile_auth());
    if (!trust_add_root(trust, map_file(argv[2]))) fail("the root");
    open_index(trust, map_file(argv[3]));
    double limit = (double)strtoul(argv[4], NULL, 10) / 1000, begun = cpu_seconds(), used;
    do {
        for (int i = 0; i < 64; i++, done++) verify(trust, &records[(at + done) % record_count]);
        used = cpu_seconds() - begun;
    } while (used < limit);
    printf("%.1f\n", (double)done / used);
    trust_destroy(&trust);
    return 0;
}
