/* SPDX-License-Identifier: Apache-2.0 */
/* The card child: the only process that speaks PC/SC. It has no key, no network, no settings beyond the reader filter;
 * main kills it when it stays silent for too long. */
#ifndef MYKEY_AGENT_CARD_CHILD_H
#define MYKEY_AGENT_CARD_CHILD_H

/* argv[1] of the re-executed program. */
#define CARD_CHILD_FLAG "--card-child"

/* Serves orders on CARD_CHILD_SOCKET until main is gone; the process's exit status. */
int card_child_run(const char *reader_filter);

#endif
