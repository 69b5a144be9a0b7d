"""How fast a running topology takes a burst, and how soon all of it is stored: the hot case, one show.

Called by bench/burst. Three parts, each bounded: bursts as `rehearse` sends them, at several batch sizes; a sustained
load with the store's lag beside it; and the delay from 204 to readable at a calm rate. Everything is measured from
outside, through the command line and HBase's gateway; bursts and sustained load end in their certificates.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from primetime.console import table
from primetime.errors import PrimetimeError, UsageError
from primetime.event import row_key
from primetime.hbase import Hbase
from primetime.inventory import Inventory, live
from primetime.paths import REPO
from primetime.quantities import count, seconds
from primetime.rehearsal import crowd
from primetime.rehearsal.burst import SENDING_SHARE, Burst, Plan
from primetime.rehearsal.ids import event_id, new_run
from primetime.rehearsal.share import ACKED
from primetime.topology import load

SETTLED_WITHIN_S = 300
MOST_UPDATES = 20_000_000  # of one part
CALM_PER_S, CALM_S = 5_000, 20.0
SAMPLE_EVERY = 250  # events: 50 ms of a calm load
LAG_EVERY_S = 0.5
READABLE_WITHIN_S = 30.0
COLUMNS = ("batch", "connections", "accepted in s", "best second", "p50 ms", "p99 ms", "stored after s", "missing")
STATUS = "/run/primetime-shipper/status.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/burst", description=__doc__.partition("\n")[0])
    parser.add_argument("-t", "--topology", default="demo", help="a running topology (default: demo)")
    parser.add_argument("--updates", default="1e6", help="of a burst (default: 1e6)")
    parser.add_argument("--in", dest="within", default="5s", help="its length (default: 5s)")
    parser.add_argument("--batches", default="10,10,10,10,10,5,1", help="a burst for each of these batch sizes")
    parser.add_argument("--rate", default="110e3", help="sustained updates a second; 0: leave it out")
    parser.add_argument("--for", dest="lasting", default="60s", help="how long the sustained load lasts")
    parser.add_argument("--no-delay", action="store_true", help="leave the delay at a calm rate out")
    arguments = parser.parse_args()
    bench = Bench(arguments.topology)
    updates, within = count(arguments.updates), seconds(arguments.within)
    rows: list[tuple[str, ...]] = []
    try:
        for batch in filter(None, arguments.batches.split(",")):
            rows.append(bench.burst(updates, within, int(batch)))
    finally:  # what was measured is said, also when a later burst fails
        if rows:
            print(table(rows, COLUMNS))
    if arguments.rate != "0":
        print(bench.sustained(count(arguments.rate), seconds(arguments.lasting)))
    if not arguments.no_delay:
        print(bench.delay())


class Bench:
    """One running topology."""

    def __init__(self, topology: str) -> None:
        self._name = topology
        self._inventory: Inventory = live(load(topology))

    def burst(self, updates: int, within_s: float, batch: int) -> tuple[str, ...]:
        """One rehearsal as a row of the table."""
        self._settle()
        found = self._rehearse(updates, within_s, batch)
        accepted, stored = found["accept_seconds"], found["stored_seconds"]
        after = "-" if stored is None or accepted is None else f"{stored - accepted:.2f}"
        row = found["batch"], found["connections"], accepted, max(found["per_second"]), found["p50_ms"], found["p99_ms"]
        return (*map(str, row), after, str(found["missing"]))

    def sustained(self, rate: int, lasting_s: float) -> str:
        """A steady load, and how far HBase was behind it at worst."""
        self._settle()
        with self._lag() as lags:
            # a burst is sent within a share of its seconds, which would be a higher rate than asked
            found = self._rehearse(int(rate * lasting_s), round(lasting_s / SENDING_SHARE, 3), 10)
        accepted = found["acked"] / found["accept_seconds"] if found["accept_seconds"] else 0
        return (
            f"sustained {lasting_s:g} s: {accepted:,.0f} updates/s accepted of {rate:,} asked; HBase at most "
            f"{max(lags, default=0):.1f} s behind (median {statistics.median(lags or [0]):.1f} s), "
            f"missing {found['missing']}"
        )

    def delay(self) -> str:
        """From a record's commit, whose time is its cells' time, to the moment at which a reader finds them."""
        self._settle()
        plan = Plan(self._inventory.topology.shows[0], int(CALM_PER_S * CALM_S), CALM_S, batch=10)
        burst = Burst(new_run(time.time_ns() // 1_000_000), plan)
        entrance = self._inventory.entrance()
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(crowd.send, burst, entrance, lambda text: None)
            delays = sorted(self._watch(burst))
            unacknowledged = plan.requests - sending.result().outcomes.count(ACKED)
        return (
            f"from 204 to readable at {CALM_PER_S:,} updates/s: median {statistics.median(delays):.2f} s, "
            f"95 of 100 within {delays[len(delays) * 95 // 100]:.2f} s ({len(delays)} events sampled, "
            f"{unacknowledged} requests not acknowledged)"
        )

    def _rehearse(self, updates: int, within_s: float, batch: int) -> dict[str, Any]:
        if updates > MOST_UPDATES:
            raise UsageError(f"{updates} updates: this measurement sends at most {MOST_UPDATES} at once")
        words = ["rehearse", "-t", self._name, "--json", "--updates", str(updates), "--in", f"{within_s:g}s"]
        command = [str(REPO / "bin" / "primetime"), *words, "--batch", str(batch)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode not in (0, 3):
            raise PrimetimeError(f"the rehearsal failed, and with it this measurement:\n{done.stderr[-2000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        print(f"  {found['run']}: {found['acked']:,} of {found['sent']:,} acknowledged", file=sys.stderr)
        return found

    def _watch(self, burst: Burst) -> Iterator[float]:
        """The delays of sampled events of a burst that is being sent, in its order."""
        hbase = Hbase(*self._inventory.endpoint("hbase_thrift", "thrift"))
        show = burst.plan.show.encode()
        for number in range(SAMPLE_EVERY, burst.plan.updates, SAMPLE_EVERY):
            id_ = event_id(burst.run_bytes, number)
            row = row_key(id_, show, burst.pos_ms(number))
            deadline = time.monotonic() + READABLE_WITHIN_S
            while not (cells := list(hbase.scan("events", row, row + b"\0", prefix=id_, keys_only=True))):
                if time.monotonic() > deadline:
                    raise PrimetimeError(
                        f"event {number} was not readable within {READABLE_WITHIN_S:g} s: see `status`"
                    )
                time.sleep(0.01)
            yield time.time() - cells[0][3] / 1000
        hbase.close()

    @contextmanager
    def _lag(self) -> Iterator[list[float]]:
        """How many seconds HBase is behind, the worst of the shippers, noted while the block runs."""
        lags: list[float] = []
        done = Event()

        def look() -> None:
            while not done.wait(LAG_EVERY_S):
                lags.append(max(lag for lag, _ in self._shippers()))

        watching = Thread(target=look, daemon=True)
        watching.start()
        try:
            yield lags
        finally:
            done.set()
            watching.join()

    def _settle(self) -> None:
        """Until HBase and Redis have all that was sent before: a part begins with nothing waiting."""
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while waiting := {sink for _, sinks in self._shippers() for sink, events in sinks.items() if events}:
            if time.monotonic() > deadline:
                raise PrimetimeError(
                    f"{' and '.join(sorted(waiting))} did not catch up within {SETTLED_WITHIN_S} s, so the next part "
                    f"was not begun: `bin/primetime ledger -t {self._name}` says what waits, and why"
                )
            time.sleep(0.5)

    def _shippers(self) -> list[tuple[float, dict[str, int]]]:
        """(seconds that HBase is behind, events that wait by sink), for each shipper."""
        found = []
        for node in self._inventory.topology.in_group("shipper"):
            command = ["ssh", "-F", self._inventory.located[node.name].ssh_config, node.name, "cat", STATUS]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            sinks = json.loads(said)["sinks"]
            waiting = {name: int(sink.get("lag_events", 0)) for name, sink in sinks.items()}
            found.append((float(sinks["hbase"]["lag_seconds"]), waiting))
        return found


if __name__ == "__main__":
    main()
