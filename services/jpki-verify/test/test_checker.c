/* SPDX-License-Identifier: Apache-2.0 */
/* The bus process's side: crashes, hangs, lies and new revocation data of a parser process. */
#include "services/jpki-verify/checker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"

enum { ANSWERS_MAX = 64, UNANSWERED = 1000 };

typedef struct bench {
    char folder[64];
    zloop_t *loop;
    metrics_t *metrics;
    anchors_t anchors;
    checker_t *checker;
    bool child, revocation;
    size_t count, answered;
    unsigned answers[ANSWERS_MAX]; /* of request i */
    char serials[ANSWERS_MAX][9];
} bench_t;

typedef struct slot {
    bench_t *bench;
    size_t index;
} slot_t;

/* ---- one checker with a fake parser ---- */

static void write_list(bench_t *self, const char *text)
{
    char path[128], other[128];
    snprintf(path, sizeof path, "%s/a.crl", self->folder);
    snprintf(other, sizeof other, "%s/next", self->folder);
    FILE *file = fopen(other, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(other, path), 0);
}

static void on_state(bool child, bool revocation, void *arg)
{
    bench_t *self = arg;
    self->child = child;
    self->revocation = revocation;
}

static int setup(void **state)
{
    bench_t *self = calloc(1, sizeof *self);
    snprintf(self->folder, sizeof self->folder, "/tmp/mykey-checker-XXXXXX");
    assert_non_null(mkdtemp(self->folder));
    write_list(self, "100");
    self->loop = zloop_new();
    self->metrics = metrics_new();
    self->anchors = (anchors_t){.count = 1, .roots[0] = {.name = "auth-1.der", .size = 4}};
    checker_options options = {.program = getenv("MYKEY_FAKE_PARSER"),
                               .crl_folder = self->folder,
                               .anchors = &self->anchors,
                               .metrics = self->metrics,
                               .on_state = on_state,
                               .arg = self};
    *state = self;
    return checker_new(self->loop, &options, &self->checker) == MK_OK ? 0 : -1;
}

static int teardown(void **state)
{
    bench_t *self = *state;
    char path[128];
    checker_destroy(&self->checker);
    zloop_destroy(&self->loop);
    metrics_destroy(&self->metrics);
    snprintf(path, sizeof path, "%s/a.crl", self->folder);
    unlink(path);
    rmdir(self->folder);
    free(self);
    return 0;
}

static void on_answer(const checker_answer *answer, void *arg)
{
    slot_t *slot = arg;
    bench_t *self = slot->bench;
    assert_int_equal(self->answers[slot->index], UNANSWERED);
    self->answers[slot->index] = answer->check;
    if (answer->serial.size > 0) memcpy(self->serials[slot->index], answer->serial.data, answer->serial.size);
    self->answered++;
    free(slot);
}

static void submit(bench_t *self, const char *certificate)
{
    static const uint8_t digest[RSA_DIGEST_SIZE];
    slot_t *slot = malloc(sizeof *slot);
    *slot = (slot_t){self, self->count};
    self->answers[self->count++] = UNANSWERED;
    checker_request request = {{(const uint8_t *)certificate, strlen(certificate)}, {digest, 1}, digest};
    checker_submit(self->checker, &request, on_answer, slot);
}

static int stop(zloop_t *loop, int timer, void *arg)
{
    (void)loop, (void)timer, (void)arg;
    return -1;
}

static void run_turn(bench_t *self)
{
    zloop_timer(self->loop, 10, 1, stop, NULL);
    zloop_start(self->loop);
}

/* Runs the loop until `done`, at most ten seconds. */
static void run_until(bench_t *self, bool (*done)(bench_t *self))
{
    for (int i = 0; i < 1000 && !done(self); i++) run_turn(self);
    assert_true(done(self));
}

static bool all_answered(bench_t *self)
{
    return self->answered == self->count;
}

static double metric_value(bench_t *self, const char *name)
{
    size_t size;
    char *text = metrics_render(self->metrics, &size), *at = strstr(text, name);
    double value = at != NULL ? strtod(at + strlen(name), NULL) : -1;
    free(text);
    return value;
}

/* ---- tests ---- */

static void answers_in_order(void **state)
{
    bench_t *self = *state;
    char name[9];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "card-%02d", i);
        submit(self, i == 7 ? "EXPIRED" : name);
    }
    run_until(self, all_answered);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "card-%02d", i);
        assert_int_equal(self->answers[i], i == 7 ? CHECK_not_after : CHECK_PASSED);
        if (i != 7) assert_string_equal(self->serials[i], name);
    }
    assert_true(self->child && self->revocation);
}

/* Others under way beside one that kills the parser are repeated; that one gets a second try and then its answer. */
static void crash_hits_only_its_own_request(void **state)
{
    bench_t *self = *state;
    for (int i = 0; i < 20; i++) submit(self, i == 5 ? "CRASH" : "good");
    run_until(self, all_answered);
    for (int i = 0; i < 20; i++) assert_int_equal(self->answers[i], i == 5 ? CHECK_parser : CHECK_PASSED);
    assert_true(metric_value(self, "\nmykey_jpki_parser_starts_total ") >= 3);
}

static void lies_end_the_parser(void **state)
{
    bench_t *self = *state;
    submit(self, "WRONG");
    submit(self, "NOBODY");
    submit(self, "good");
    run_until(self, all_answered);
    assert_int_equal(self->answers[0], CHECK_parser);
    assert_int_equal(self->answers[1], CHECK_parser);
    assert_int_equal(self->answers[2], CHECK_PASSED);
}

static void hang_is_ended(void **state)
{
    bench_t *self = *state;
    submit(self, "HANG");
    submit(self, "good");
    run_until(self, all_answered);
    assert_int_not_equal(self->answers[0], CHECK_PASSED);
}

static bool has_started_twice(bench_t *self)
{
    return metric_value(self, "\nmykey_jpki_parser_starts_total ") >= 2 && self->child;
}

static bool has_ignored_one(bench_t *self)
{
    return metric_value(self, "\nmykey_jpki_revocation_lists_ignored_total{fault=\"form\"} ") >= 1;
}

static bool is_ready(bench_t *self)
{
    return self->child;
}

static double age_origin(bench_t *self)
{
    return metric_value(self, "\nmykey_jpki_revocation_age_seconds{root=\"auth-1.der\"} ");
}

static void newer_list_takes_over(void **state)
{
    bench_t *self = *state;
    run_until(self, is_ready);
    double before = age_origin(self);
    write_list(self, "5000");
    run_until(self, has_started_twice);
    submit(self, "good");
    run_until(self, all_answered);
    for (int i = 0; i < 100 && age_origin(self) > before - 4000; i++) run_turn(self);
    assert_true(age_origin(self) < before - 4000);
}

static bool has_lost_its_list(bench_t *self)
{
    return self->child && !self->revocation && metric_value(self, "\nmykey_jpki_parser_starts_total ") >= 3;
}

static bool is_fresh(bench_t *self)
{
    return self->child && self->revocation;
}

/* An ended list is worth nothing: that it is gone keeps no other root's new one away. */
static void ended_list_may_go(void **state)
{
    bench_t *self = *state;
    run_until(self, is_fresh);
    write_list(self, "5000 6000");
    run_until(self, has_started_twice);
    write_list(self, "garbage");
    run_until(self, has_lost_its_list);
    write_list(self, "100");
    run_until(self, is_fresh);
}

static uint64_t starts(bench_t *self)
{
    return (uint64_t)metric_value(self, "\nmykey_jpki_parser_starts_total ");
}

/* Taps that the parser in use answers meanwhile don't make a hopeless start likelier to work. */
static void hopeless_starts_become_rare(void **state)
{
    bench_t *self = *state;
    run_until(self, is_ready);
    write_list(self, "DIE");
    while (starts(self) < 2) run_turn(self);
    uint64_t begun_ms = clock_mono_ms();
    while (starts(self) < 8) {
        self->count = self->answered = 0;
        submit(self, "good");
        run_until(self, all_answered);
    }
    assert_true(clock_mono_ms() - begun_ms >= 10 + 20 + 40 + 80 + 160 + 320); /* a timer is never early */
    assert_true(self->child && self->revocation);
}

static void worse_list_leaves_the_one_in_use(void **state)
{
    bench_t *self = *state;
    run_until(self, is_ready);
    write_list(self, "garbage");
    run_until(self, has_ignored_one);
    assert_true(self->child && self->revocation);
    submit(self, "good");
    run_until(self, all_answered);
    assert_int_equal(self->answers[0], CHECK_PASSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(crash_hits_only_its_own_request, setup, teardown),
        cmocka_unit_test_setup_teardown(lies_end_the_parser, setup, teardown),
        cmocka_unit_test_setup_teardown(hang_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(newer_list_takes_over, setup, teardown),
        cmocka_unit_test_setup_teardown(worse_list_leaves_the_one_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(ended_list_may_go, setup, teardown),
        cmocka_unit_test_setup_teardown(hopeless_starts_become_rare, setup, teardown),
    };
    log_open("jpki-verify", "test", LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
