# SPDX-License-Identifier: Apache-2.0
"""What a simulated card was asked for, and what an agent may ask of one."""

import collections

ALLOWED = {("select", "d392f000260100000001"), ("select-ef", "token"), ("select-ef", "auth-cert"), ("select-ef", "auth-pin"),
           ("select-ef", "auth-key"), ("read", "token"), ("read", "auth-cert"), ("tries", "auth-pin"), ("verify", "auth-pin"),
           ("sign", "auth-key")}


def asked_of(log):
    """How often each command came, with what it named."""
    apdus = [entry for entry in log if entry["event"] == "apdu"]
    return collections.Counter((apdu["command"], apdu["aid"] if apdu["command"] == "select" else apdu["file"]) for apdu in apdus)
