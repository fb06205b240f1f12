/* SPDX-License-Identifier: Apache-2.0 */
/* What processes of ours say to each other, should one be taken over: the first byte picks the certificate parser (what
 * it is told), the bus process (what the parser says), the agent (what its card child reports), or that child (what it
 * is ordered). Parsers: services/jpki-verify/parser_main.c services/jpki-verify/checker.c agent/card/link.c
 * agent/card/child.c */
#include "tests/fuzz/wire.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static wire_fuzz_fn *const sides[] = {fuzz_parser, fuzz_checker, fuzz_agent, fuzz_child};
    if (size > 0) sides[data[0] % (sizeof sides / sizeof sides[0])](data + 1, size - 1);
    return 0;
}
