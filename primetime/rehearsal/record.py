"""The record of a run: what was asked, what was answered and how fast. Written by run.py, read to certify and to check.

`<PRIMETIME_HOME>/runs/<topology>/<run>/` holds `run.json`, `outcomes` (one byte a request, see share.py),
`certificate.json`, and for people `certificate.html` with the `circumstances.json` that it tells of.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from primetime.errors import PrimetimeError
from primetime.rehearsal.burst import BYTES_VERSION, Burst
from primetime.rehearsal.share import Tally


@dataclass(frozen=True)
class Record:
    """`stored_seconds` is None and `duplicates` 0 until the run has been read back once. `shipped`: seconds since the
    first byte was sent, and how many events of the show the ledger had by then."""

    burst: Burst
    outcomes: bytes
    accept_seconds: float | None
    p50_ms: float | None
    p99_ms: float | None
    per_second: list[int]
    refusals: dict[str, int]
    resends: int
    stored_seconds: float | None = None
    duplicates: int = 0
    per_tenth: list[int] = field(default_factory=list)
    shipped: list[tuple[float, int]] = field(default_factory=list)
    bytes_version: int = BYTES_VERSION

    @classmethod
    def of(cls, burst: Burst, tally: Tally) -> Record:
        return cls(
            burst=burst,
            outcomes=tally.outcomes,
            accept_seconds=tally.accept_seconds,
            p50_ms=tally.percentile_ms(50),
            p99_ms=tally.percentile_ms(99),
            per_second=tally.per_second,
            refusals=tally.refusals,
            resends=tally.resends,
            per_tenth=tally.per_tenth,
        )

    def numbers(self, outcome: int) -> list[int]:
        """The events whose requests ended so, in order."""
        return [
            number
            for request, became in enumerate(self.outcomes)
            if became == outcome
            for number in self.burst.numbers(request)
        ]

    def save(self, folder: Path) -> None:
        fields = asdict(self)
        del fields["outcomes"]
        folder.mkdir(parents=True, exist_ok=True)
        # The outcomes first: a run.json says that they are there.
        write_whole(folder / "outcomes", self.outcomes)
        write_whole(folder / "run.json", json.dumps(fields, indent=1).encode())

    @classmethod
    def load(cls, folder: Path) -> Record:
        """PrimetimeError when there is no such run, or when its bytes cannot be recomputed."""
        try:
            fields: dict[str, Any] = json.loads((folder / "run.json").read_text())
            outcomes = (folder / "outcomes").read_bytes()
        except FileNotFoundError as error:
            raise PrimetimeError(f"No record of a run at {folder}: {folder.parent} holds those there are") from error
        if fields["bytes_version"] != BYTES_VERSION:
            raise PrimetimeError(
                f"{folder} was sent by another version (event bytes {fields['bytes_version']}, here {BYTES_VERSION}): "
                "check it with the primetime that sent it"
            )
        return cls(**fields | {"burst": Burst.from_fields(fields["burst"])}, outcomes=outcomes)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file so that a reader, or a power cut, finds the old or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
