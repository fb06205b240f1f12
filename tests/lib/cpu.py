# SPDX-License-Identifier: Apache-2.0
"""CPU time of processes and all their descendants, from /proc."""

import os

TICK = os.sysconf("SC_CLK_TCK")


def stat(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK


def descendants(pids):
    """These processes and every process below them."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents.setdefault(stat(name)[0], []).append(int(name))
            except OSError:
                continue
    found, waiting = set(), list(pids)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += parents.get(pid, [])
    return found


def cpu_seconds(pids):
    """Process → CPU seconds so far."""
    times = {}
    for pid in descendants(pids):
        try:
            times[pid] = stat(pid)[1]
        except OSError:
            continue
    return times


def spent(before, after):
    """Seconds used between two readings; a process that is new counts from its start."""
    return sum(seconds - before.get(pid, 0) for pid, seconds in after.items())
