#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures speed and memory of promiscd, each row in turns with what it is compared with, and prints the
medians of the rounds with their ratios."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from world import (PROGRAMS, SERVICE, STAMP, Service, log_tail, numbers, profile_running, profile_start,
                   run, writable_by_all)

LINK = "bench-a"
RATE = 5000  # changes a second
HELD = 1000
PROCESSES, SOCKETS = 1000, 200
US, MS = 1e3, 1e6  # in ns


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


class Rows:
    def __init__(self, options):
        self.options = options
        self.results = []

    def add(self, name, what, unit, values, against, target, note=""):
        """One line of the table. values, against: one for each round; with against the target is a ratio."""
        ratios = [v / a for v, a in zip(values, against)] if against else []
        reached = statistics.median(ratios or values) <= target
        self.results.append({
            "row": name, "what": what, "unit": unit, "value": statistics.median(values),
            "against": statistics.median(against) if against else None,
            "ratio": statistics.median(ratios) if ratios else None, "target": target, "reached": reached,
            "note": note, "rounds": values, "rounds_against": against})

    def profile(self, name, pid, load):
        """What the service does under the row's load, if the row was missed and profiles are wanted."""
        if not self.options.profile or all(r["reached"] for r in self.results if r["row"] == name):
            return
        profile_running(self.directory(), name, pid, load)

    def directory(self):
        return os.path.dirname(os.path.abspath(self.options.json))

    def grow(self, count):
        """Makes links until there are count, lo and the pair that the rows work on among them."""
        have = len(os.listdir("/sys/class/net"))
        batch = [f"link add x{i} type veth peer name y{i}" for i in range(have, count - 1, 2)]
        if (count - have) % 2:
            batch.append("link add odd type bridge")
        subprocess.run(["ip", "-batch", "-"], input="\n".join(batch), text=True, check=True)
        have = len(os.listdir("/sys/class/net"))
        if have != count:
            raise RuntimeError(f"{have} links instead of {count}")

    # The rows, in the order in which they can be measured: the number of links only grows.

    def latency(self):
        command = [PROGRAMS + "latency", LINK, str(self.options.turns)]
        medians, tails, sums, sum_tails, parts = [], [], [], [], []
        with Service() as service:
            for _ in range(self.options.rounds):
                lines = numbers(*command)
                took = [line[2] / US for line in lines]
                both = [(line[0] + line[1]) / US for line in lines]
                medians.append(statistics.median(took))
                sums.append(statistics.median(both))
                tails.append(percentile(took, 99))
                sum_tails.append(percentile(both, 99))
                parts.append([statistics.median(column) / US for column in zip(*lines)])
            listener, bare, _ = (statistics.median(column) for column in zip(*parts))
            self.add("latency", "change to PromiscuityChanged, median", "µs", medians, sums, 1.5,
                     f"listener {listener:.0f} + bare signal {bare:.0f}")
            self.add("latency", "change to PromiscuityChanged, p99", "µs", tails, sum_tails, 3)
            self.profile("latency", service.pid, lambda: run(*command))

    def calls(self):
        for held in 0, HELD:
            command = [PROGRAMS + "calls", LINK, str(self.options.turns), str(held)]
            with Service() as service:
                columns = [[], [], []]
                for _ in range(self.options.rounds):
                    for column, values in zip(columns, zip(*numbers(*command))):
                        column.append(statistics.median(values) / US)
                for name, values in ("Acquire", columns[1]), ("Release", columns[2]):
                    self.add("calls", f"{name}, {held:,} held, to Peer.Ping", "µs", values, columns[0], 2.5)
                self.profile("calls", service.pid, lambda: run(*command))

    def cpu(self):
        bare = [PROGRAMS + "storm", str(RATE), str(self.options.seconds)]
        with Service() as service:
            command = [*bare, LINK, str(service.pid)]
            values, against, in_a_row, rates, wrong = [], [], [], [], []
            for _ in range(self.options.rounds):
                sent, announced, broken, cpu, elapsed = numbers(*command)[0]
                values.append(cpu / US / sent)
                rates.append(sent / elapsed * 1e9)
                wrong.append(abs(sent - announced) + broken)
                total, _, _, cpu, row = numbers(*bare)[0]
                against.append(cpu / US / total)
                in_a_row.append(row / US / total)
            self.add("cpu", f"service CPU for a change, {RATE:,}/s for {self.options.seconds} s", "µs",
                     values, against, 4, f"{statistics.median(rates):,.0f} changes/s made; "
                     f"signals in a row {statistics.median(in_a_row):.1f} each")
            self.add("cpu", "changes not announced, or out of order", "", wrong, None, 0)
            self.profile("cpu", service.pid, lambda: run(*command))

    def vanish(self):
        command = [PROGRAMS + "vanish", LINK, str(HELD)]
        with Service() as service:
            rounds = [numbers(*command)[0] for _ in range(self.options.rounds)]
            self.add("vanish", f"client with {HELD:,} references killed: units gone", "ms",
                     [gone / MS for gone, _, _ in rounds], None, 50)
            self.add("vanish", "longest of another's calls meanwhile", "ms",
                     [wait / MS for _, wait, _ in rounds], None, 20,
                     f"worst {max(wait for _, wait, _ in rounds) / MS:.1f}, "
                     f"{statistics.median(calls for _, _, calls in rounds):.0f} calls a round")
            self.profile("vanish", service.pid, lambda: run(*command))

    def holders(self):
        command = [PROGRAMS + "holders", LINK, str(PROCESSES), str(SOCKETS), str(self.options.turns // 50)]
        with Service() as service:
            listed, ss, waits = [], [], []
            for _ in range(self.options.rounds):
                columns = list(zip(*numbers(*command)))
                listed.append(statistics.median(columns[0]) / MS)
                ss.append(statistics.median(columns[1]) / MS)
                waits.append(max(columns[2]) / MS)
            self.add("holders", f"ListHolders, {SOCKETS} sockets among {PROCESSES:,} processes, to ss -0 -p", "ms",
                     listed, ss, 1)
            self.add("holders", "longest of another's calls meanwhile", "ms", waits, None, 20,
                     f"worst {max(waits):.1f}")
            self.profile("holders", service.pid, lambda: run(*command))

    def memory(self):
        few = None
        for count in 10, 1000, 4000:
            self.grow(count)
            used, read, bare = [], [], []
            for _ in range(self.options.rounds):
                bare.append(self.bare_memory())
                with Service() as service:
                    used.append(self.read_memory(service.pid))
                    run("busctl", "call", "org.example.Promisc", "/org/example/Promisc",
                        "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
                    read.append(self.read_memory(service.pid)["Rss"] / 1024)
            rss, pss = ([u[key] / 1024 for u in used] for key in ("Rss", "Pss"))
            bare_rss, bare_pss = ([b[key] / 1024 for b in bare] for key in ("Rss", "Pss"))
            rss_now, pss_now, bare_rss_now, bare_pss_now, read_now = (
                round(statistics.median(values)) for values in (rss, pss, bare_rss, bare_pss, read))
            note = f"Rss {rss_now}, Pss {pss_now}; bare {bare_rss_now}, {bare_pss_now}; " \
                f"Rss after a GetManagedObjects {read_now}"
            if few is None:
                few = statistics.median(rss)
                self.add("memory", f"resident (Rss), {count} links, to a bare program", "KiB", rss, bare_rss,
                         1.3, note)
            else:
                self.add("memory", f"each further link, to {count:,} links", "B",
                         [(r - few) * 1024 / (count - 10) for r in rss], None, 600, note)
        if self.options.profile and not all(r["reached"] for r in self.results if r["row"] == "memory"):
            with Service() as service, open(f"{self.directory()}/profile-memory.smaps.txt", "w") as out:
                out.write(open(f"/proc/{service.pid}/smaps").read())

    @staticmethod
    def read_memory(pid):
        return {line.split()[0].rstrip(":"): int(line.split()[1]) * 1024
                for line in open(f"/proc/{pid}/smaps_rollup").readlines()[1:]}

    def bare_memory(self):
        process = subprocess.Popen([PROGRAMS + "bare"], stdout=subprocess.PIPE, text=True)
        try:
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the bare program does not run")
            return self.read_memory(process.pid)
        finally:
            process.kill()
            process.wait()

    def start(self):
        self.grow(4000)
        values, against = [], []
        for _ in range(self.options.rounds):
            against.append(self.ip_ns() / MS)
            with Service() as service:
                values.append(service.start_ns / MS)
        self.add("start", "start to READY, 4,000 links, to ip -d link show", "ms", values, against, 3)
        if self.options.profile and not self.results[-1]["reached"]:
            profile_start(self.directory(), "start")

    @staticmethod
    def ip_ns():
        writable_by_all(STAMP)
        subprocess.run([PROGRAMS + "stamp", STAMP, "/usr/sbin/ip", "-d", "link", "show"], check=True,
                       stdout=subprocess.DEVNULL)
        return time.monotonic_ns() - int(open(STAMP).read())


ORDER = ["latency", "calls", "cpu", "vanish", "holders", "memory", "start"]


def table(results):
    cells = [["ROW", "WHAT", "MEASURED", "AGAINST", "RATIO", "TARGET", "", "NOTE"]]
    for r in results:
        limit = f"≤ {r['target']}" + ("×" if r["against"] is not None else f" {r['unit']}".rstrip())
        cells.append([r["row"], r["what"], f"{r['value']:.1f} {r['unit']}".rstrip(),
                      "" if r["against"] is None else f"{r['against']:.1f} {r['unit']}",
                      "" if r["ratio"] is None else f"{r['ratio']:.2f}×", limit,
                      "reached" if r["reached"] else "MISSED", r["note"]])
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        print("  ".join(cell.rjust(w) if i in (2, 3, 4, 5) else cell.ljust(w)
                        for i, (cell, w) in enumerate(zip(row, widths))).rstrip())


def parse_options():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--row", action="append", choices=ORDER,
                        help="only this row; can be given several times")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each row (default %(default)s)")
    parser.add_argument("--quick", action="store_true",
                        help="one short round: only to see that everything runs")
    parser.add_argument("--json", metavar="FILE", default="build-bench/bench.json",
                        help="where all figures go (default %(default)s)")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--profile", action="store_true",
                        help="for rows that are missed, also write what perf and strace say, beside FILE")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    options.turns, options.seconds = 1000, 10
    if options.quick:
        options.rounds, options.turns, options.seconds = 1, 100, 1
    return options


def main():
    options = parse_options()
    if options.check:
        return 0
    if not os.access(SERVICE, os.X_OK):
        sys.exit("bench: to be run by tools/bench, which builds the service and makes a place for it.")
    rows = Rows(options)
    os.makedirs(rows.directory(), exist_ok=True)
    run("ip", "link", "add", LINK, "type", "veth", "peer", "name", "bench-b")
    for name in LINK, "bench-b":
        run("ip", "link", "set", name, "up")

    failed = 0
    for name in ORDER:
        if options.row and name not in options.row:
            continue
        print(f"measuring {name}", file=sys.stderr)
        try:
            getattr(rows, name)()
        except (OSError, RuntimeError, ValueError, subprocess.CalledProcessError) as error:
            print(f"bench: row {name} could not be measured: {error}\n" + log_tail(), file=sys.stderr)
            failed += 1

    table(rows.results)
    with open(options.json, "w") as out:
        json.dump({"rounds": options.rounds, "kernel": os.uname().release, "cpus": os.cpu_count(),
                   "rows": rows.results}, out, indent=2, ensure_ascii=False)
        out.write("\n")
    print(f"\nAll figures are in {options.json}")
    missed = sorted({r["row"] for r in rows.results if not r["reached"]}, key=ORDER.index)
    if missed and options.profile:
        print(f"Where the missed rows spend their time: {rows.directory()}/profile-*")
    elif missed:
        again = " ".join(["--profile", *(f"--row {name}" for name in missed)])
        print(f"To see where the missed rows spend their time: {again}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
