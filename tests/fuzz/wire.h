/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of fuzz_wire.c; a file each, for each includes the code of one side. */
#ifndef MYKEY_TESTS_FUZZ_WIRE_H
#define MYKEY_TESTS_FUZZ_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "services/jpki-verify/wire.h"

typedef void wire_fuzz_fn(const uint8_t *data, size_t size);

wire_fuzz_fn fuzz_parser, fuzz_checker, fuzz_agent, fuzz_child;

/* As the bus process judges them. */
bool wire_ready_is_right(const wire_ready *ready, size_t roots);
bool wire_verdict_is_sound(const wire_verdict *verdict);

#endif
