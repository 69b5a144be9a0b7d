"""What listens on every host, and which packets get through between them: looked at once, for the promises of base.

One connection to each host does all its probes at once (primetime/verify/prober.py); the controlling machine probes
as well. Called by primetime.verify.run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from primetime.errors import PrimetimeError
from primetime.flows import Flow, Probe, probes
from primetime.verify.promises import Rendered
from primetime.verify.shell import ssh

PROBER = Path(__file__).with_name("prober.py")
DEADLINE_S = 60.0  # for all of it
CONTROLLER = "the controlling machine"

Listening = tuple[str, str, int]  # transport, address as bound, port


@dataclass(frozen=True)
class Network:
    """`listening` by node name; `wrong`: a sentence for each packet that got through, or did not, against the
    declarations, by (name of the machine that tried, address that it tried); None where nobody tried."""

    listening: Mapping[str, tuple[Listening, ...]]
    wrong: Mapping[tuple[str, str], tuple[str, ...]] | None

    def into(self, node: Any, *, controller: bool) -> list[str]:
        """What is wrong on the way to a node: from the controlling machine, or from all other hosts.

        Raises Rendered where nobody tried.
        """
        if self.wrong is None:
            raise Rendered("rules are written; on EC2 nobody sends the packets that they must stop")
        return sorted(
            sentence
            for (source, target), sentences in self.wrong.items()
            if target == node.address and (source == CONTROLLER) == controller
            for sentence in sentences
        )

    def listens(self, node: Any, endpoint: Any) -> bool:
        """Whether something listens where an endpoint says."""
        address = "127.0.0.1" if endpoint.loopback else node.address
        wanted = {(endpoint.transport, bound, endpoint.port) for bound in (address, "0.0.0.0", "*", "::")}
        if node.name not in self.listening:
            raise Rendered(f"{node.name} was not looked at")
        return not wanted.isdisjoint(self.listening[node.name])


class Prober:
    """One machine that is looked at, and looks."""

    def __init__(self, name: str, address: str, command: list[str]) -> None:
        self.name, self.address = name, address
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def answer(self, told: Any = None) -> Any:
        """What it says next; PrimetimeError when it says nothing any more."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            if told is not None:
                self._process.stdin.write(json.dumps(told) + "\n")
                self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            raise PrimetimeError(
                f"{self.name} went away while its network was looked at: bin/primetime status tells how it is"
            ) from None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def listening(nodes: Mapping[str, tuple[str, str]]) -> Network:
    """What listens on `nodes`, as for `look`, and no more."""
    probers = _probers(nodes)
    try:
        return Network({prober.name: tuple((t, a, p) for t, a, p in prober.answer()) for prober in probers}, None)
    finally:
        for prober in probers:
            prober.close()


def _probers(nodes: Mapping[str, tuple[str, str]]) -> list[Prober]:
    text = PROBER.read_text()
    return [
        Prober(name, address, ssh(name, config, f"timeout {DEADLINE_S:g} python3 -c", text))
        for name, (address, config) in nodes.items()
    ]


def look(
    nodes: Mapping[str, tuple[str, str]], every: list[Flow], controller: str, targets: Iterable[str] | None = None
) -> Network:
    """Look at `nodes` (name → address, ssh configuration) and from them, at `targets` (addresses; all when None)."""
    here = ["timeout", f"{DEADLINE_S:g}", sys.executable, "-c", PROBER.read_text()]
    probers = [*_probers(nodes), Prober(CONTROLLER, controller, here)]
    try:
        return _look(probers, every, list(targets) if targets is not None else [a for a, _ in nodes.values()])
    finally:
        for prober in probers:
            prober.close()


def _look(probers: list[Prober], every: list[Flow], targets: list[str]) -> Network:
    with ThreadPoolExecutor(max_workers=len(probers)) as pool:

        def all_of(ask: Callable[[Prober], Any]) -> dict[str, Any]:
            return dict(zip([prober.name for prober in probers], pool.map(ask, probers), strict=True))

        said = all_of(lambda prober: prober.answer())
        bound = {name: tuple((t, a, p) for t, a, p in found) for name, found in said.items() if name != CONTROLLER}
        ports = {(transport, port) for found in bound.values() for transport, _, port in found}
        asked = {prober.name: probes(every, prober.address, targets, ports) for prober in probers}
        tried = all_of(lambda prober: prober.answer(asked[prober.name]))
        heard = all_of(lambda prober: prober.answer([]))
    arrived = {
        (source, prober.address, port)
        for prober in probers
        if prober.name != CONTROLLER
        for source, port in heard[prober.name]
    }
    names = {prober.address: prober.name for prober in probers}
    wrong: dict[tuple[str, str], tuple[str, ...]] = {}
    for prober in probers:
        for probe, outcome in zip(asked[prober.name], tried[prober.name], strict=True):
            through = outcome in ("open", "refused") or (prober.address, probe.address, probe.port) in arrived
            if through != probe.wanted:
                key = (prober.name, probe.address)
                wrong[key] = (*wrong.get(key, ()), _sentence(prober.name, names, probe))
    return Network(bound, wrong)


def _sentence(source: str, names: Mapping[str, str], probe: Probe) -> str:
    target = f"{names.get(probe.address, probe.address)}:{probe.port} ({probe.transport})"
    return f"{source} does not reach {target}" if probe.wanted else f"{source} reaches {target} and must not"
