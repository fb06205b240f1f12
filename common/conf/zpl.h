/* SPDX-License-Identifier: Apache-2.0 */
/* The fence around zconfig, for every file of ours that is ZPL: version 4.2.1 reads past its buffer on lines over 1,024
 * bytes and reports on stdout, so each line is looked at before it gets there. */
#ifndef MYKEY_CONF_ZPL_H
#define MYKEY_CONF_ZPL_H

#include <czmq.h>

/* Is told of each line (from 1; 0 = the whole) that won't do; what: static. */
typedef void zpl_complain_fn(unsigned line, const char *what, void *arg);

/* Sections and keys, keys at most `depth` sections deep; the caller destroys it. NULL after complaints. */
zconfig_t *zpl_parse(const char *text, unsigned depth, zpl_complain_fn *complain, void *arg);

/* A zpl_complain_fn for who wants the reason alone: arg is a const char **. */
void zpl_keep_reason(unsigned line, const char *what, void *arg);

#endif
