"""Reading a run back: which of its events are in HBase, id by id and byte by byte. For run.py and certificate.py.

Only keys are read of `events`: a cell's qualifier carries the id and the digest of its bytes, and what the bytes must
be is a function of run and number. The cells of a run lie in the seconds of its burst; a conflict that names another
position of the show is not looked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event, Thread

from primetime.event import ID_LENGTH, SALTS, digest, row_key, row_prefix, salt
from primetime.hbase import Hbase, HbaseUnavailable
from primetime.reading import patiently
from primetime.rehearsal.burst import Burst
from primetime.rehearsal.ids import event_id, number_of

ASK_AGAIN_MIN_S, ASK_AGAIN_MAX_S = 0.1, 3.0
WATCH_EVERY_S = 0.25
LEDGER_LAG_S = 15.0  # a segment is sealed after 10 s at the latest


class Found:
    """What HBase holds of a run; reading again adds to it and changes nothing that is known."""

    def __init__(self, burst: Burst) -> None:
        self.burst = burst
        self.stored = bytearray(burst.plan.updates)  # 1: its bytes, as sent, are in `events`
        self.dead = bytearray(burst.plan.updates)  # 1: its bytes, as sent, are a dead letter
        self.others: set[bytes] = set()  # identities of this run's ids with bytes that were never sent
        self._show = burst.plan.show.encode()

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """Which of these are neither stored nor a dead letter."""
        stored, dead = self.stored, self.dead
        return [number for number in numbers if not stored[number] and not dead[number]]

    @property
    def identities(self) -> int:
        """How many distinct events of the run have been found, in whatever place and with whatever bytes."""
        known = sum(1 for stored, dead in zip(self.stored, self.dead, strict=True) if stored or dead)
        return known + len(self.others)

    def read(self, hbase: Hbase, slices: Iterable[int] = range(SALTS)) -> None:
        """Read the run's cells in some of the 64 slices, and its dead letters."""
        first = self.burst.plan.start_pos_ms // 1000
        last = self.burst.pos_ms(self.burst.plan.updates - 1) // 1000
        for slice_ in slices:
            start, stop = row_prefix(slice_, self._show, first), row_prefix(slice_, self._show, last + 1)
            self._read_cells(hbase, start, stop, self.burst.run_bytes)
        self._read_dead_letters(hbase)

    def look_up(self, hbase: Hbase, numbers: Iterable[int]) -> None:
        """Look for a few events, and for dead letters."""
        for number in numbers:
            id_ = event_id(self.burst.run_bytes, number)
            row = row_key(id_, self._show, self.burst.pos_ms(number))
            self._read_cells(hbase, row, row + b"\0", id_)
        self._read_dead_letters(hbase)

    def _read_cells(self, hbase: Hbase, start: bytes, stop: bytes, prefix: bytes) -> None:
        for _, qualifier, _, _ in hbase.scan("events", start, stop, prefix=prefix, keys_only=True):
            number = self._number(qualifier[:ID_LENGTH])
            if number is None:
                continue
            if qualifier[ID_LENGTH:] == digest(self.burst.event(number)):
                self.stored[number] = 1
            else:
                self.others.add(qualifier)

    def _read_dead_letters(self, hbase: Hbase) -> None:
        for _, qualifier, event, _ in hbase.scan("deadletters", b"", b"", prefix=b"event"):
            at = event.find(self.burst.run_bytes)
            number = self._number(event[at : at + ID_LENGTH]) if at >= 0 and qualifier == b"event" else None
            if number is None:
                continue
            if event == self.burst.event(number):
                self.dead[number] = 1
            else:
                self.others.add(event_id(self.burst.run_bytes, number) + digest(event))

    def _number(self, id_: bytes) -> int | None:
        number = number_of(self.burst.run_bytes, id_)
        return number if number is not None and number < self.burst.plan.updates else None


class Shipped:
    """How many events of a show the shippers have stored since this was made, by their ledger.

    `seen` keeps each answer with its CLOCK_MONOTONIC second: the curve of the store.
    """

    def __init__(self, hbase: Hbase, show: str) -> None:
        self._hbase, self._show = hbase, show
        self._before = events_read(hbase, show)
        self.seen: list[tuple[float, int]] = []

    def count(self) -> int:
        after = events_read(self._hbase, self._show)
        events = sum(max(0, read - self._before.get(row, 0)) for row, read in after.items())
        self.seen.append((time.monotonic(), events))
        return events

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count some times a second while the block runs, which leaves HBase alone."""
        done = Event()

        def look() -> None:
            while not done.wait(WATCH_EVERY_S):
                with suppress(HbaseUnavailable):
                    self.count()

        watching = Thread(target=look, daemon=True)
        watching.start()
        try:
            yield
        finally:
            done.set()
            watching.join()


def wait_until_readable(
    found: Found,
    acked: list[int],
    probes: list[int],
    shipped: Shipped,
    hbase: Hbase,
    until: float,
    progress: Callable[[str], None],
) -> float | None:
    """Wait until each of `acked` is readable or a dead letter; the CLOCK_MONOTONIC second at which it was.

    Reading a million keys takes seconds, and CPU that storing needs. So the shippers' ledger is asked first, which
    takes milliseconds. Then only `probes` are looked up, the events acknowledged last: a spool is stored in its order,
    so they are stored last. When they are there the run is read back whole, once. If that finds everything, the moment
    is the one at which it began. If not, the slices that lack something are read again, and the moment is the end of
    the reading that found the last one. None when `until` came first; the run has then been read whole all the same.
    """
    _wait_for_the_ledger(shipped, len(acked), until, progress)
    since = time.monotonic()
    while waiting := found.missing(probes):
        progress(f"waiting for HBase: {len(waiting)} of the {len(probes)} events acknowledged last are not there yet")
        patiently(partial(found.look_up, hbase, waiting), until, progress)
        if found.missing(probes) and not _pause(since, until):
            break
    moment = None if found.missing(probes) else time.monotonic()
    slices = set(range(SALTS))
    while True:
        progress(f"reading back {len(acked)} events")
        patiently(partial(found.read, hbase, slices), until, progress)
        missing = found.missing(acked)
        if not missing:
            return moment or time.monotonic()
        moment = None
        slices = {salt(event_id(found.burst.run_bytes, number)) for number in missing}
        progress(f"waiting for HBase: {len(missing)} of {len(acked)} events are not there yet")
        if not _pause(since, until):
            return None


def _wait_for_the_ledger(shipped: Shipped, acked: int, until: float, progress: Callable[[str], None]) -> None:
    """Until as many events are stored as were acknowledged. Not for longer than it makes headway: other events of the
    show count here too, and a segment that is shipped anew is counted from its start."""
    since = changed = time.monotonic()
    before = -1
    while (events := patiently(shipped.count, until, progress)) < acked:
        now = time.monotonic()
        if events != before:
            before, changed = events, now
        elif now > changed + LEDGER_LAG_S:
            return
        progress(f"waiting for HBase: {acked - events} of {acked} events are not there yet")
        if not _pause(since, until):
            return


def _pause(since: float, until: float) -> bool:
    """Sleep for a tenth of the wait so far, which is the precision of what is measured; False when it is over."""
    now = time.monotonic()
    if now < until:
        time.sleep(min(max(ASK_AGAIN_MIN_S, (now - since) / 10), ASK_AGAIN_MAX_S))
    return now < until


def events_read(hbase: Hbase, show: str) -> dict[bytes, int]:
    """What the ledger says the shippers have read of a show, by segment."""
    name = b"read:" + show.encode()
    cells = hbase.scan("ledger", b"", b"", prefix=name)
    return {row: int(value) for row, qualifier, value, _ in cells if qualifier == name}


def count_duplicates(found: Found, shipped: Shipped, progress: Callable[[str], None]) -> int:
    """Events in the spool less distinct ones, by how far the ledger has moved.

    The ledger may be a little behind the store: it has caught up when it has read all that was found.
    """
    since = time.monotonic()
    until = since + LEDGER_LAG_S
    while True:
        surplus = patiently(shipped.count, until, progress) - found.identities
        if surplus >= 0 or not _pause(since, until):
            return max(0, surplus)
