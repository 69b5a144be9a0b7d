"""How evenly a salt spreads ids over slices and regions, and what it costs. Called by rowkey.py; needs no HBase."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from zlib import crc32

from primetime.event import CROCKFORD, SALTS, crockford, ulid

STARTED_MS = 1_790_000_000_000
REGIONS = 8
WINDOW = 10_000  # ids in a row that must be spread well too: a busy region is busy now, not on average

_VALUE = {character: value for value, character in enumerate(CROCKFORD.encode())}


def _by_crc32(id_: bytes) -> int:
    return crc32(id_) % SALTS


def _by_blake2b(id_: bytes) -> int:
    return blake2b(id_, digest_size=1).digest()[0] % SALTS


def _by_last_character(id_: bytes) -> int:
    return _VALUE[id_[-1]]  # 5 bits


def _by_last_two_characters(id_: bytes) -> int:
    return (_VALUE[id_[-2]] << 5 | _VALUE[id_[-1]]) % SALTS


SALTINGS: dict[str, Callable[[bytes], int]] = {
    "crc32": _by_crc32,
    "blake2b": _by_blake2b,
    "last 5 bits": _by_last_character,
    "last 6 bits": _by_last_two_characters,
}


def random_ids(count: int) -> Iterator[bytes]:
    """ULIDs as the specification makes them."""
    random = Random(1)
    for _ in range(count):
        yield ulid(STARTED_MS + random.randrange(5000), random.getrandbits(80)).encode()


def monotonic_ids(count: int) -> Iterator[bytes]:
    """ULIDs of a generator that counts on from its last one within a millisecond."""
    randomness = Random(2).getrandbits(79)
    for number in range(count):
        yield ulid(STARTED_MS, randomness + number).encode()


def numbered_ids(count: int) -> Iterator[bytes]:
    """A rehearsal's: a run of 18 characters, then the event's number."""
    run = crockford(STARTED_MS, 10) + crockford(Random(3).getrandbits(40), 8)
    for number in range(count):
        yield (run + crockford(number, 8)).encode()


def stamped_ids(count: int) -> Iterator[bytes]:
    """Those of a careless client: its version where the randomness should end."""
    random = Random(4)
    for _ in range(count):
        yield (ulid(STARTED_MS, random.getrandbits(80))[:24] + "01").encode()


IDS: dict[str, Callable[[int], Iterator[bytes]]] = {
    "random": random_ids,
    "monotonic": monotonic_ids,
    "numbered": numbered_ids,
    "stamped": stamped_ids,
}


@dataclass(frozen=True)
class Spread:
    """The largest load over the mean load, and nanoseconds for an id."""

    slices: float
    slices_in_window: float  # in the worst WINDOW of ids in a row
    regions: float
    ns: float


def spread(salting: Callable[[bytes], int], ids: list[bytes]) -> Spread:
    """How `salting` spreads these ids over SALTS slices and REGIONS regions."""
    began = time.perf_counter_ns()
    for id_ in ids:
        salting(id_)
    ns = (time.perf_counter_ns() - began) / len(ids)
    slices = [salting(id_) for id_ in ids]
    windows = [slices[start : start + WINDOW] for start in range(0, len(slices) - WINDOW + 1, WINDOW)]
    return Spread(
        peak(slices, SALTS),
        max((peak(window, SALTS) for window in windows), default=peak(slices, SALTS)),
        peak([slice_ * REGIONS // SALTS for slice_ in slices], REGIONS),
        ns,
    )


def peak(places: list[int], among: int) -> float:
    """The most loaded of `among` places, as a multiple of the mean load: 1.0 is perfectly even."""
    return max(Counter(places).values()) * among / len(places)


def table(count: int) -> list[tuple[str, ...]]:
    """A row for each way to salt and kind of id, its head first."""
    rows: list[tuple[str, ...]] = [
        ("salt", "ids", f"max/mean of {SALTS} slices", f"worst {WINDOW} in a row", f"of {REGIONS} regions", "ns an id")
    ]
    for kind, make in IDS.items():
        ids = list(make(count))
        for name, salting in SALTINGS.items():
            found = spread(salting, ids)
            loads = (found.slices, found.slices_in_window, found.regions)
            rows.append((name, kind, *(f"{load:.3f}" for load in loads), f"{found.ns:.0f}"))
    return rows
