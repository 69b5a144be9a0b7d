"""The rehearsals of this cluster, id by id: which acknowledged events are neither stored nor a dead letter now."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from primetime.audit.accounts import Problem
from primetime.errors import PrimetimeError
from primetime.event import CROCKFORD, ULID
from primetime.hbase import Hbase
from primetime.rehearsal.certificate import Certificate, certify
from primetime.rehearsal.ids import RUN_LENGTH, started_ms
from primetime.rehearsal.record import Record
from primetime.rehearsal.stored import Found

_RUN = re.compile(rf"[0-7][{CROCKFORD}]{{{RUN_LENGTH - 1}}}")


def of_this_cluster(folder: Path, sources: Iterable[str], most: int) -> list[Path]:
    """The records of the last `most` runs that began after this cluster's first spool was made, newest first.

    What an earlier cluster of the same name was sent went with it. A spool's name begins with its time.
    """
    ulids = [source[:26] for source in sources if ULID.fullmatch(source[:26])]
    if not ulids or not folder.is_dir():
        return []
    born_ms = min(started_ms(ulid) for ulid in ulids)
    runs = sorted((path.parent for path in folder.glob("*/run.json")), reverse=True)
    return [run for run in runs if _RUN.fullmatch(run.name) and started_ms(run.name) >= born_ms][:most]


def compare(folders: Sequence[Path], hbase: Hbase, progress: Callable[[str], None]) -> list[Certificate]:
    """A certificate of each run, made anew. One that another version sent is passed over, and told."""
    certificates = []
    for folder in folders:
        try:
            record = Record.load(folder)
        except PrimetimeError as error:
            progress(f"not compared: {error}")
            continue
        progress(f"reading back run {record.burst.run}")
        found = Found(record.burst)
        found.read(hbase)
        certificates.append(certify(record, found))
    return certificates


def problems(certificates: Iterable[Certificate]) -> list[Problem]:
    """What these runs lack, each id by name as far as certificates name them."""
    found = []
    for certificate in certificates:
        named = [
            Problem("missing", id_, f"acknowledged in run {certificate.run}, not stored")
            for id_ in certificate.missing_ids
        ]
        more = certificate.missing - len(named)
        rest = Problem("missing", f"{more} more of run {certificate.run}", "`primetime rehearse --check` counts them")
        found += [*named, rest] if more else named
    return found
