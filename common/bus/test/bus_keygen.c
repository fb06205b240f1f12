/* SPDX-License-Identifier: Apache-2.0 */
/* bus_keygen NAME.key NAME.pub: a key pair for the tests. */
#include <stdio.h>

#include "common/bus/bus_key.h"

int main(int argc, char **argv)
{
    if (argc != 3) return 2;
    mk_code code = bus_key_create(argv[1], argv[2]);
    if (code != MK_OK) fprintf(stderr, "%s\n", mk_code_name(code));
    return code == MK_OK ? 0 : 1;
}
