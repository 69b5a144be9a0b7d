"""What the faults cost: a line of JSON for each run of one, and the page that is made of them.

Kept in PRIMETIME_HOME: `faults.jsonl` is appended to, `faults.md` made anew at the end of each run of the tests.
`docs/measurements/faults.md` is a copy of it.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from primetime.paths import REPO, home
from primetime.rehearsal.certificate import Certificate
from tests.fault.matrix import ELSEWHERE, FAULTS
from tests.rotation import commit

COMMAND = "bin/primetime test --all --group fault"
HEAD = """\
# Faults: each while a burst runs

On {cores} cores. The command: `{command}`; three of them, drawn by the commit, run in each
`bin/primetime test`.

In the middle of a burst of 100,000 updates over 8 s the fault is done and proved. Each run below ended with every
update acknowledged, `missing 0`, `unanswered 0` and a ledger without a problem. `over after`: seconds from the fault
(from its end, for one that lasts) until an update is acknowledged, stored or counted again, whatever it had stopped.

| fault | what showed it | over after | sent twice | revision | date |
|---|---|---|---|---|---|
"""


def keep(fault: str, evidence: str, recovered_s: float, certificate: Certificate) -> None:
    """Add a run of a fault that went well."""
    changed = subprocess.run(["git", "-C", str(REPO), "status", "--porcelain"], capture_output=True, text=True).stdout
    line = {
        "fault": fault,
        "revision": commit() + (" with changes" if changed.strip() else ""),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "evidence": evidence,
        "recovered_s": round(recovered_s, 1),
        "certificate": {key: value for key, value in certificate.to_json().items() if key != "missing_ids"},
    }
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    with _file().open("a") as file:
        file.write(json.dumps(line) + "\n")


def _file() -> Path:
    return home() / "faults.jsonl"


def page() -> str:
    """The last run of each fault, in the matrix's order, and where the others are proved."""
    last: dict[str, dict[str, Any]] = {}
    for line in _file().read_text().splitlines():
        run = json.loads(line)
        last[run["fault"]] = run
    there = [last[fault.name] for fault in FAULTS if fault.name in last]
    rows = [
        f"| {run['fault']} | {run['evidence']} | {run['recovered_s']} s | {run['certificate']['duplicates']:,} "
        f"| {run['revision']} | {run['at'][:10]} |"
        for run in there
    ]
    absent = [fault.name for fault in FAULTS if fault.name not in last]
    lines = [HEAD.format(cores=os.cpu_count(), command=COMMAND) + "\n".join(rows), ""]
    if absent:
        lines += [f"Not run yet: {'; '.join(absent)}.", ""]
    lines += ["Without hosts, at the wire:", "", "| fault | proved by |", "|---|---|"]
    lines += [f"| {each.name} | {', '.join(f'`{proof}`' for proof in each.proofs)} |" for each in ELSEWHERE]
    return "\n".join(lines) + "\n"


def write_page() -> Path | None:
    """Make the page anew; None while nothing was ever kept."""
    if not _file().is_file():
        return None
    path = home() / "faults.md"
    path.write_text(page())
    return path
