#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""lookup: Resolve/s through the bus (broker with CURVE, ACL and deadlines; one registry, or as many as the argument says;
PostgreSQL), one person a call, 8 callers × 16 in flight, a fresh ticket each, every answer checked; while one person is
unlinked and linked again and every caller must see it at once. Against `pgbench -S -M prepared -c 8 -j 2` on as many rows in
the same cluster; A B A B."""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from benchlib import BUILD, Bench  # noqa: E402
from registrylib import World  # noqa: E402

SECONDS = 4
REGISTRIES = int(sys.argv[1]) if len(sys.argv) > 1 else 1
SIZES = {100_000: 5, 1_000_000: 3}
POSTGRES = "shared_buffers = 512MB\nmax_wal_size = 4GB\n"


def fill(world, rows):
    """Persons 0 … rows-1, each with a card and a number at B1; and pgbench's accounts, as many."""
    world.reset()
    world.put_operator("B1")
    world.database.sql(f"""SET search_path = registry;
        CREATE TEMP TABLE person AS SELECT i, gen_random_uuid() AS h FROM generate_series(0, {rows - 1}) i;
        INSERT INTO holder SELECT h FROM person;
        INSERT INTO credential SELECT sha256(convert_to('bench' || i, 'UTF8')), 1, h FROM person;
        INSERT INTO service_link SELECT 'B1', lpad(i::text, 10, '0'), h, 1 FROM person;
        INSERT INTO lookup SELECT credential_id, operator_id, ordinal, customer_id, false
          FROM credential JOIN service_link USING (holder_id);""")
    world.database.sql("VACUUM ANALYZE", role="postgres")
    subprocess.run(["pgbench", "-i", "-q", "-s", str(rows // 100_000), *where(world)], check=True, stderr=subprocess.DEVNULL)
    world.database.sql("CHECKPOINT", "postgres", "postgres")
    for i in range(1, REGISTRIES):
        world.start_registry(f"registry-{i + 1}")


def where(world):
    return ["-h", world.database.socket_dir, "-U", "postgres", "postgres"]


def ours(world, rows):
    # The last run may have ended while person 0 was unlinked.
    world.database.sql("""SET search_path = registry;
        INSERT INTO service_link SELECT 'B1', '0000000000', holder_id, 1 FROM credential
        WHERE credential_id = sha256('bench0') ON CONFLICT DO NOTHING;
        SELECT refresh_lookup(holder_id) FROM credential WHERE credential_id = sha256('bench0')""")
    command = [os.path.join(BUILD, "tests", "bench", "lookup_load")]
    for name, value in {**world.bus.common("gateway", "a"), "load.ticket_keys": world.bus.path("ticket.keys"),
                        "load.persons": rows, "load.ms": SECONDS * 1000, "log.level": "error"}.items():
        command += ["--set", f"{name}={value}"]
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout)
    assert answer["wrong"] == 0 and answer["stale"] == 0 and answer["toggles"] >= 4, answer
    return answer


def comparator(world):
    output = subprocess.run(["pgbench", "-S", "-M", "prepared", "-n", "-c", "8", "-j", "2", "-T", str(SECONDS), *where(world)],
                            check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(re.search(r"tps = ([0-9.]+) \(without", output).group(1))


def main():
    bench = Bench("lookup", unit="look-ups/s")
    world = World(POSTGRES)
    last = {}
    try:
        for rows, pairs in SIZES.items():
            fill(world, rows)
            comparator(world), ours(world, rows)  # warm
            for _ in range(pairs):
                last = ours(world, rows)
                bench.pair(last["rate"], comparator(world), size=rows)
                print(f"    p50 {last['p50_us'] / 1000:.2f} ms, p99 {last['p99_us'] / 1000:.2f} ms; {last['checks']} checks "
                      f"of {last['toggles']} changes, none stale", flush=True)
    finally:
        world.close()
    bench.finish(callers=8, in_flight=16, registries=REGISTRIES, p50_us=last["p50_us"], p99_us=last["p99_us"])


if __name__ == "__main__":
    main()
