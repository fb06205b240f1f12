/* SPDX-License-Identifier: Apache-2.0 */
/* mykeyctl: what the platform's operator does by hand. */
#include <stdio.h>

#include "tools/mykeyctl/verbs.h"

static ctl_exit print_help(const args_t *args, const verb_t *verb)
{
    if (args->version) {
        puts("mykeyctl " MYKEY_VERSION);
    } else if (verb != NULL) {
        verbs_print_usage(verb, stdout);
    } else {
        verbs_print_help(stdout);
    }
    return CTL_OK;
}

static ctl_exit wrong_usage(const char *what, const char *word, const verb_t *verb)
{
    fprintf(stderr, "mykeyctl: %s%s\n", what, word);
    if (verb != NULL) verbs_print_usage(verb, stderr);
    if (verb == NULL) fputs("mykeyctl --help lists the verbs.\n", stderr);
    return CTL_USAGE;
}

static ctl_exit no_such_verb(const args_t *args)
{
    char words[80];
    snprintf(words, sizeof words, "%s %s", args->words[0], args->words[1]);
    return wrong_usage("no such verb: ", words, NULL);
}

static ctl_exit run(const verb_t *verb, const args_t *args)
{
    ctl_t *ctl = ctl_new(args);
    ctl_exit status = ctl_run(ctl, verb->run, verb->bus);
    ctl_destroy(&ctl);
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    fputs("mykeyctl: what was to be printed can't be written: is the disk full?\n", stderr);
    return status == CTL_OK ? CTL_FAILED : status;
}

int main(int argc, char **argv)
{
    args_t args;
    const char *wrong = "";
    if (!args_read(argc, argv, &args, &wrong)) return wrong_usage("not understood: ", wrong, NULL);
    const verb_t *verb = args.word_count >= 2 ? verbs_find(args.words[0], args.words[1]) : NULL;
    if (args.help || args.version) return print_help(&args, verb);
    if (args.word_count < 2) return wrong_usage("which verb?", "", NULL);
    if (verb == NULL) return no_such_verb(&args);
    const char *unexpected = args_unexpected(&args, verb->options);
    if (unexpected != NULL) return wrong_usage("this verb doesn't take --", unexpected, verb);
    size_t count = args.word_count - 2;
    if (count < verb->min || count > verb->max) return wrong_usage("wrong number of arguments", "", verb);
    return run(verb, &args);
}
