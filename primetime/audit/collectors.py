"""The collectors' spools, asked over ssh: the shipper's own bundle reads them there (primetime/shipper/survey.py)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from primetime.errors import PrimetimeError
from primetime.inventory import Inventory

# Its environment names the bundle that this host runs; it reads as the shipper, and gives way to everybody else.
_SURVEY = (
    "export $(systemctl show -P Environment primetime-shipper) && exec runuser -u shipper -- "
    "nice -n 19 /usr/bin/python3 -B -m primetime.shipper.survey --config /etc/primetime/shipper/shipper.toml"
)
TIMEOUT_S = 300  # a spool that is full to its budget takes a minute


@dataclass(frozen=True)
class Surveyed:
    """What a collector's spool holds, or why nobody knows. `last`: source → the last number that it has used.

    `at_ms` is when that was, by the clock that stamps what is received there.
    """

    node: str
    at_ms: int = 0
    last: Mapping[str, int] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trouble: str = ""


def survey(inventory: Inventory, positions: Mapping[str, Any]) -> list[Surveyed]:
    """Every collector's spool, all at once; one that cannot be asked has `trouble`."""

    def one(node: str) -> Surveyed:
        try:
            found = json.loads(_ask(inventory, node, _SURVEY, json.dumps(positions)))
            return Surveyed(node, found["at_ms"], found["last"], found["segments"])
        except PrimetimeError as error:
            return Surveyed(node, trouble=str(error))

    nodes = [node.name for node in inventory.topology.in_group("shipper")]
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(one, nodes))


def pending(inventory: Inventory, positions: Mapping[str, str]) -> Iterator[tuple[bytes, int]]:
    """(digest, received_ms) of what Redis has yet to count by these positions; PrimetimeError when one does not say."""
    for node in inventory.topology.in_group("shipper"):
        for line in _ask(inventory, node.name, f"{_SURVEY} --pending", json.dumps(positions)).splitlines():
            identity, received_ms = line.split()
            yield bytes.fromhex(identity), int(received_ms)


def restart(inventory: Inventory, node: str) -> None:
    """Have a collector's shipper begin anew, from what the ledger says."""
    _ask(inventory, node, "systemctl restart primetime-shipper", "")


def _ask(inventory: Inventory, node: str, command: str, stdin: str) -> str:
    words = ["ssh", "-F", inventory.located[node].ssh_config, node, "--", command]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise PrimetimeError(f"{node}: its spool was not read within {TIMEOUT_S} s") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise PrimetimeError(
            f"{node}: cannot look into its spool ({said[-1] if said else f'exit {done.returncode}'}): "
            f"see `primetime ssh {node}`; converge it when its shipper is an older one"
        )
    return done.stdout
