# SPDX-License-Identifier: Apache-2.0
"""A figure is a ratio: ours against a comparator of the same run, in pairs. Usage:

    bench = Bench("bus", unit="requests/s", better="higher")
    for _ in range(5):
        bench.pair(ours(), comparator(), size=256)      # one pair, measured one right after the other
    bench.finish(note="...")                            # writes build/bench/bus.json, prints one row, returns the dict

ratio = ours / comparator, median of the pairs of the first size; further sizes get a row of their own."""

import json
import os
import statistics

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("MYKEY_BUILD", os.path.join(ROOT, "build")))
NOISY_LOAD = 0.3


def load_average():
    with open("/proc/loadavg", encoding="ascii") as file:
        return float(file.read().split()[0])


def cpu_ticks():
    """(all, stolen) ticks since the machine's start."""
    with open("/proc/stat", encoding="ascii") as file:
        values = [int(value) for value in file.readline().split()[1:9]]
    return sum(values), values[7]


def shorten(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


class Bench:
    def __init__(self, name, unit, better="higher"):
        self.name, self.unit, self.better = name, unit, better
        self.pairs = []  # (size, ours, comparator)
        self.load_before, self.ticks_before = load_average(), cpu_ticks()
        noisy = " (noisy: other work on the machine)" if self.load_before > NOISY_LOAD else ""
        print(f"{name}: load before {self.load_before:.2f}{noisy}", flush=True)

    def pair(self, ours, comparator, size=None):
        self.pairs.append((size, ours, comparator))
        print(f"  size {size}: ours {shorten(ours)}, comparator {shorten(comparator)} {self.unit}, "
              f"ratio {ours / comparator:.3f}", flush=True)

    def sizes(self):
        return list(dict.fromkeys(size for size, _, _ in self.pairs))

    def row(self, size):
        pairs = [(ours, comparator) for other, ours, comparator in self.pairs if other == size]
        ratios = [ours / comparator for ours, comparator in pairs]
        return {"size": size, "ours": statistics.median(ours for ours, _ in pairs),
                "comparator": statistics.median(comparator for _, comparator in pairs),
                "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios), "pairs": len(pairs)}

    def stolen(self):
        now, before = cpu_ticks(), self.ticks_before
        return (now[1] - before[1]) / max(1, now[0] - before[0])

    def finish(self, **more):
        rows = [self.row(size) for size in self.sizes()]
        first = rows[0]
        result = {"name": self.name, "ours": first["ours"], "comparator": first["comparator"], "ratio": first["ratio"],
                  "unit": self.unit, "better": self.better, "pairs": first["pairs"], "ratio_min": first["ratio_min"],
                  "ratio_max": first["ratio_max"], "load_before": self.load_before, "steal": round(self.stolen(), 4),
                  "noisy": self.load_before > NOISY_LOAD, "sizes": rows, **more}
        folder = os.path.join(BUILD, "bench")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{self.name}.json"), "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
        print(f"{self.name:<10} ratio {first['ratio']:.3f} ({first['ratio_min']:.3f}–{first['ratio_max']:.3f}, "
              f"{first['pairs']} pairs)  ours {shorten(first['ours'])}  comparator {shorten(first['comparator'])} {self.unit}"
              f"  load {self.load_before:.2f} steal {result['steal']:.1%}{' NOISY' if result['noisy'] else ''}", flush=True)
        return result
