#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bus: requests/s through mykey-broker (CURVE, ACL, deadlines, metrics) against DEALER → zmq_proxy → DEALER with CURVE on both
legs (bus_proxy.c). 100 in flight, one caller, one worker, TCP on loopback; A B A B. Sizes: 256 B and 4 KiB bodies."""

import os
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from benchlib import BUILD, Bench  # noqa: E402
from buslib import Bus  # noqa: E402

IN_FLIGHT, MILLISECONDS = 100, 3000
PAIRS = {256: 5, 4096: 3}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class TcpBus(Bus):
    port = None

    def endpoint(self, name="a"):
        return f"tcp://127.0.0.1:{self.port}"


def ours(bus, size):
    answer = bus.run(inflight=IN_FLIGHT, body_size=size, ms=MILLISECONDS)
    assert answer["codes"] == {"OK": answer["done"]} and not answer["wrong"], answer
    return answer["rate"]


def comparator(size):
    front, back = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    output = subprocess.run([os.path.join(BUILD, "tests/bench/bus_proxy"), front, back, str(IN_FLIGHT), str(size),
                             str(MILLISECONDS)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(output)


def main():
    bench = Bench("bus", unit="requests/s")
    bus = TcpBus()
    try:
        bus.port = free_ports(1)[0]
        bus.broker()
        bus.worker(credit=128)
        for size, pairs in PAIRS.items():
            for _ in range(pairs):
                bench.pair(ours(bus, size), comparator(size), size=size)
    finally:
        bus.close()
    bench.finish(in_flight=IN_FLIGHT)


if __name__ == "__main__":
    main()
