/* SPDX-License-Identifier: Apache-2.0 */
/* The bus process's side: crashes, hangs, lies, new roots and a new index of a parser process. */
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
    char pins[80], index[80];
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

static void write_file(bench_t *self, const char *name, const char *text)
{
    char path[128], other[128];
    snprintf(path, sizeof path, "%s/%s", self->folder, name);
    snprintf(other, sizeof other, "%s/next", self->folder);
    FILE *file = fopen(other, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(other, path), 0);
}

static void write_index(bench_t *self, const char *text)
{
    write_file(self, "index", text);
}

/* Roots of these names, each with its name for contents; pins of as many. */
static void write_roots(bench_t *self, const char *const *names, size_t count)
{
    char pins[512] = "", hex[2 * BYTES_SHA256_SIZE + 1];
    uint8_t sha256[BYTES_SHA256_SIZE];
    for (size_t i = 0; i < count; i++) {
        write_file(self, names[i], names[i]);
        bytes_sha256((const uint8_t *)names[i], strlen(names[i]), sha256);
        bytes_to_hex(sha256, sizeof sha256, hex);
        snprintf(pins + strlen(pins), sizeof pins - strlen(pins), "%s  %s\n", hex, names[i]);
    }
    write_file(self, "pins", pins);
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
    write_index(self, "100");
    self->loop = zloop_new();
    self->metrics = metrics_new();
    snprintf(self->pins, sizeof self->pins, "%s/pins", self->folder);
    snprintf(self->index, sizeof self->index, "%s/index", self->folder);
    write_roots(self, (const char *const[]){"auth-1.der"}, 1);
    checker_options options = {.program = getenv("MYKEY_FAKE_PARSER"),
                               .roots = self->folder,
                               .root_pins = self->pins,
                               .index = self->index,
                               .metrics = self->metrics,
                               .on_state = on_state,
                               .arg = self};
    *state = self;
    const char *setting, *why;
    return checker_new(self->loop, &options, &self->checker, &setting, &why) == MK_OK ? 0 : -1;
}

static int teardown(void **state)
{
    bench_t *self = *state;
    static const char *const names[] = {"index", "pins", "auth-1.der", "auth-2.der"};
    char path[128];
    checker_destroy(&self->checker);
    zloop_destroy(&self->loop);
    metrics_destroy(&self->metrics);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", self->folder, names[i]);
        unlink(path);
    }
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

static bool is_ready(bench_t *self)
{
    return self->child;
}

static double age_origin(bench_t *self)
{
    return metric_value(self, "\nmykey_jpki_revocation_age_seconds{root=\"auth-1.der\"} ");
}

static void newer_index_takes_over(void **state)
{
    bench_t *self = *state;
    run_until(self, is_ready);
    double before = age_origin(self);
    write_index(self, "5000");
    run_until(self, has_started_twice);
    submit(self, "good");
    run_until(self, all_answered);
    for (int i = 0; i < 100 && age_origin(self) > before - 4000; i++) run_turn(self);
    assert_true(age_origin(self) < before - 4000);
}

static bool has_lost_its_index(bench_t *self)
{
    return self->child && !self->revocation && metric_value(self, "\nmykey_jpki_parser_starts_total ") >= 3;
}

static bool is_fresh(bench_t *self)
{
    return self->child && self->revocation;
}

/* An ended one is worth nothing. */
static void ended_index_may_go(void **state)
{
    bench_t *self = *state;
    run_until(self, is_fresh);
    write_index(self, "5000 6000");
    run_until(self, has_started_twice);
    write_index(self, "garbage");
    run_until(self, has_lost_its_index);
    write_index(self, "100");
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
    write_index(self, "DIE");
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

static void damaged_index_leaves_the_one_in_use(void **state)
{
    bench_t *self = *state;
    run_until(self, is_ready);
    write_index(self, "garbage");
    run_until(self, has_started_twice);
    for (int i = 0; i < 20; i++) run_turn(self);
    assert_true(self->child && self->revocation);
    submit(self, "good");
    run_until(self, all_answered);
    assert_int_equal(self->answers[0], CHECK_PASSED);
}

static bool knows_another_root(bench_t *self)
{
    return metric_value(self, "\nmykey_jpki_root_left_seconds{root=\"auth-2.der\"} ") != -1;
}

/* Requests go on through it; roots that disagree with their pins are not taken. */
static void new_roots_take_over(void **state)
{
    bench_t *self = *state;
    run_until(self, is_ready);
    write_file(self, "auth-2.der", "not pinned yet");
    for (int i = 0; i < 150; i++) run_turn(self);
    assert_false(knows_another_root(self));
    write_roots(self, (const char *const[]){"auth-1.der", "auth-2.der"}, 2);
    for (int i = 0; i < 40; i++) {
        submit(self, "good");
        run_turn(self);
    }
    run_until(self, knows_another_root);
    run_until(self, all_answered);
    for (int i = 0; i < 40; i++) assert_int_equal(self->answers[i], CHECK_PASSED);
}

/* A parser that was started with the old ones is still on its way: the new ones are not forgotten over it. */
static void roots_that_change_during_a_start(void **state)
{
    bench_t *self = *state;
    run_until(self, is_ready);
    write_index(self, "5000 SLOW");
    run_until(self, has_started_twice);
    write_roots(self, (const char *const[]){"auth-1.der", "auth-2.der"}, 2);
    run_until(self, knows_another_root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(crash_hits_only_its_own_request, setup, teardown),
        cmocka_unit_test_setup_teardown(lies_end_the_parser, setup, teardown),
        cmocka_unit_test_setup_teardown(hang_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(newer_index_takes_over, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_index_leaves_the_one_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(ended_index_may_go, setup, teardown),
        cmocka_unit_test_setup_teardown(new_roots_take_over, setup, teardown),
        cmocka_unit_test_setup_teardown(roots_that_change_during_a_start, setup, teardown),
        cmocka_unit_test_setup_teardown(hopeless_starts_become_rare, setup, teardown),
    };
    log_open("jpki-verify", "test", LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
