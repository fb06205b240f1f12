/* SPDX-License-Identifier: Apache-2.0 */
/* A customer number as a barcode that the operator's present scanner reads. Encodes exactly the number; the start and
 * stop letters and the check digit are the operator's settings. */
#ifndef MYKEY_AGENT_BARCODE_H
#define MYKEY_AGENT_BARCODE_H

#include "agent/rules.h"

enum { BARCODE_MODULES_MAX = 1152 };

typedef struct barcode {
    const char *symbology;                 /* "nw7", "code39"; static */
    char text[NUMBER_MAX + 4];             /* what the symbol says: "A789A"; CODE39 without its asterisks */
    char modules[BARCODE_MODULES_MAX + 1]; /* "1011…": 1 = bar; no quiet zone */
} barcode;

/* NUMBER_INVALID: the number has characters that the symbology (or the check digit) has not, or is too long. */
problem_t barcode_encode(const output_rules *rules, const char *number, barcode *ret_barcode);

#endif
