"""What the buttons do to a live cluster: send a burst, kill and start a host, pull and plug its cable, look closely.

Called by moments.py and app.py. Bursts and verifications are commands of their own, so that they neither slow the page
down nor share its locks; they end with this process.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import redis

from primetime import draining, expiry, scripts, wider
from primetime.children import bound
from primetime.errors import NotAsDeclared, PrimetimeError
from primetime.inventory import Inventory, live
from primetime.live_counts import client_of
from primetime.paths import REPO
from primetime.providers import driver_for, provider_of
from primetime.settings import from_data
from primetime.stage.accepted import said_by
from primetime.stage.disk import SpoolDisk, image_of
from primetime.topology import Topology, load
from roles.collector.settings import Collector

ANSWER_S = 2.0
DRAINED_S = 60.0
LOG_LINES = 40
MOST_COMPARED = 20  # rehearsals: a second or two each
_LOOK = (
    "systemctl list-units --all --plain --no-legend --no-pager 'primetime-*.service' "
    "| awk '$2 != \"not-found\" {print $1, $4}'; echo ==; "
    f"journalctl -n {LOG_LINES} --no-pager -o short-iso -u 'primetime-*'; echo ==; "
    "cat /run/primetime-shipper/status.json 2>/dev/null; echo; echo ==; "
    "cut -d' ' -f1 /proc/loadavg; awk '/MemTotal/ {t=$2} /MemAvailable/ {a=$2} END {print a, t}' /proc/meminfo; "
    "df --output=pcent,avail -h / | tail -n 1"
)


class Hands:
    """All that a stage may do to its cluster. `follow` is told of each inventory that takes the place of another,
    `compared` of how many ids of each rehearsal are missing, whenever all were looked for."""

    def __init__(
        self,
        inventory: Inventory,
        follow: Callable[[Inventory], None] = lambda inventory: None,
        compared: Callable[[dict[str, int]], None] = lambda missing: None,
    ) -> None:
        self.inventory = self._declared = inventory
        self._follow, self._compared = follow, compared
        self.extra = ""  # the collector beside the declared ones
        self.local = not inventory.topology.cloud
        self.whole, self.diskless = _kept_from(inventory.topology)
        self._driver = driver_for(inventory.topology) if self.local else None
        self._children: set[subprocess.Popen[str]] = set()
        self._ended = threading.Event()

    def nodes(self, group: str) -> list[str]:
        return [node.name for node in self.inventory.topology.in_group(group)]

    def at_work(self) -> str:
        """The command that holds the topology now, in words; empty when none does."""
        return str(self._driver.ex_at_work() or "") if self._driver else ""

    def burst(
        self, updates: int, over_s: float, batch: int, say: Callable[[str], None], poll: str = ""
    ) -> dict[str, Any]:
        """Send a burst, of votes in a poll if one is named, and read it back: its certificate. PrimetimeError when
        there is none."""
        words = ["rehearse", "--updates", str(updates), "--in", f"{over_s:g}s", "--batch", str(batch), "--poll", poll]
        return self._command(words, say)

    def votes(self, poll: str) -> dict[str, int]:
        """What Redis has counted in a poll of the first show: choice → users. None while it does not answer."""
        client = client_of(self.inventory, ANSWER_S)
        try:
            tally = client.hgetall(f"tally:{self.inventory.topology.shows[0]}:{poll}") if client else {}
        except redis.RedisError:
            return {}
        return {str(choice): int(users) for choice, users in tally.items()}

    def verify(self, say: Callable[[str], None]) -> dict[str, Any]:
        """What `verify --json` says."""
        return self._command(["verify"], say)

    def ledger(self, say: Callable[[str], None]) -> dict[str, Any]:
        """What `ledger --json` says: every id of the last rehearsals compared with what is stored."""
        report = self._command(["ledger", "--runs", str(MOST_COMPARED)], say)
        self._compared({run["run"]: run["missing"] for run in report["runs"]})
        return report

    def reset(self, say: Callable[[str], None]) -> dict[str, Any]:
        """What `demo reset --json` says. No collector is `extra` then."""
        argument = self._declared.topology.argument
        report = self._command(["demo", "reset"], say, argument)
        self._declared = live(load(argument))
        self._stand_on(self._declared, "")
        return report

    def stay(self, more_s: float) -> None:
        """The machines remove themselves so many seconds later. PrimetimeError when they never do."""
        topology = self._declared.topology
        at_s = expiry.of(topology.name)
        if at_s is None:
            raise PrimetimeError(f"{topology.name} does not remove itself: `demo --expires 2h` would have it do so")
        expiry.begin(topology, at_s + more_s)

    def kill(self, node: str) -> None:
        """SIGKILL a whole host."""
        self._the_driver().ex_kill(self._node(node))

    def start(self, node: str) -> None:
        """Start a host; one that runs is left alone."""
        self._the_driver().start_node(self._node(node))

    def unplug(self, node: str) -> None:
        self._the_driver().ex_link_down(self._node(node))

    def plug(self, node: str) -> None:
        self._the_driver().ex_link_up(self._node(node))

    def further(self) -> str:
        """The name that a further collector would have."""
        return wider.further(self._declared.topology)

    def add(self, say: Callable[[str], None]) -> dict[str, Any]:
        """Make, converge and verify a further collector: {"seconds" of each, "checked" promises}. It is `extra` then.

        NotAsDeclared when a promise is not kept. Whoever calls this removes it again, whether it succeeds or not.
        """
        node, argument = self.further(), str(wider.write(self._declared.topology))
        seconds = dict[str, float]()
        began = time.monotonic()
        self._command(["up", "--yes"], say, argument)
        seconds["made"] = time.monotonic() - began
        self._stand_on(live(load(argument)), node)
        self._command(["converge"], say, argument)
        seconds["converged"] = time.monotonic() - began - seconds["made"]
        report = self._command(["verify", "--node", node], say, argument)
        seconds["verified"] = time.monotonic() - began - seconds["made"] - seconds["converged"]
        if report["failed"]:
            first = report["failed"][0]
            raise NotAsDeclared(f"{node}: {len(report['failed'])} promises not kept, the first: {first['promise']}")
        return {"seconds": seconds, "checked": report["checked"]}

    def remove(self, node: str, say: Callable[[str], None]) -> float:
        """Drain a collector that was added, remove it, and have the others forget it: the seconds until it was drained.

        PrimetimeError when it cannot be drained: then it stays.
        """
        began = drained = time.monotonic()
        if found := self._found(node):
            with self._the_driver().ex_lock(f"stage: removing {node}"):
                self._the_driver().start_node(found)
                self._the_driver().ex_link_up(found)
                self._the_driver().ex_wait_for_ssh([found])
                self._drain(node, say)
                drained = time.monotonic()
                say(f"{node} is empty: removing it")
                self._the_driver().destroy_node(found)
        self._stand_on(self._declared, "")
        self._command(["converge"], say, even_at_the_end=True)
        wider.forget(self._declared.topology.name)
        return drained - began

    def _drain(self, node: str, say: Callable[[str], None]) -> None:
        spool = self._spool()
        if self._run(node, f"test -d {spool} && echo yes || true"):  # else it was never converged
            left = draining.drain(
                functools.partial(self._run, node), spool, DRAINED_S, lambda line: say(f"{node}: {line}")
            )
            if left:
                raise PrimetimeError(f"{node} stays: {left}")

    def _stand_on(self, inventory: Inventory, extra: str) -> None:
        self.inventory, self.extra = inventory, extra
        self._follow(inventory)

    def accepted(self, node: str) -> int:
        """How many events a collector has accepted, by its own word; 0 when it does not say."""
        address = self.inventory.located[node].address
        where = [each for each in self.inventory.every_endpoint("collector", "metrics") if each[0] == address]
        said = said_by(where[0]) if where else None
        return said.events if said else 0

    def fill(self, node: str) -> Callable[[], None]:
        """Put a collector's spool onto a small disk of its own; what is returned fills that."""
        disk = self._disk(node)
        disk.attach()
        return disk.fill

    def empty(self, node: str) -> None:
        """The spool is where it was, and so is what it has."""
        self.start(node)
        self._the_driver().ex_wait_for_ssh([self._node(node)])
        self._disk(node).detach()

    def _disk(self, node: str) -> SpoolDisk:
        if self.diskless:
            raise PrimetimeError(self.diskless)
        return SpoolDisk(image_of(self._node(node)), functools.partial(self._run, node), self._spool())

    def _spool(self) -> str:
        return from_data(Collector, self._declared.topology.settings).spool_path

    def _run(self, node: str, script: str) -> str:
        """A shell script on a host: what it prints. PrimetimeError when it fails."""
        return scripts.run(str(self._node(node).extra["ssh_config"]), node, script)

    def accepts(self, node: str) -> bool:
        """Whether a collector takes traffic."""
        address = self.inventory.located[node].address
        port = next(p for a, p in self.inventory.every_endpoint("collector", "http") if a == address)
        connection = http.client.HTTPConnection(address, port, timeout=ANSWER_S)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def look(self, node: str) -> dict[str, Any]:
        """A node from close by: its services, the end of their log, its figures."""
        command = ["ssh", "-F", self.inventory.located[node].ssh_config, "-o", "ConnectTimeout=3", node, "--"]
        try:
            done = subprocess.run([*command, f"sh -c {shlex.quote(_LOOK)}"], capture_output=True, text=True, timeout=10)
        except subprocess.TimeoutExpired:
            return {"trouble": f"{node} does not answer ssh"}
        parts = done.stdout.split("==\n")
        if len(parts) != 4:
            return {"trouble": f"{node} does not answer ssh: {done.stderr.strip()[-200:]}"}
        services, log, status, figures = parts
        return {
            "services": [line.split(" ", 1) for line in services.splitlines()],
            "log": log.splitlines(),
            "shipper": json.loads(status) if status.strip() else None,
            "figures": list(figures_of(figures, around=self.local)),
        }

    def end(self) -> None:
        """Ends every command that runs, and lets none begin."""
        self._ended.set()
        for child in list(self._children):
            child.terminate()

    def _command(
        self, words: list[str], say: Callable[[str], None], topology: str = "", even_at_the_end: bool = False
    ) -> dict[str, Any]:
        """`primetime WORDS --json` of this topology: its object. Exit code 3 has one too."""
        if self._ended.is_set() and not even_at_the_end:
            raise PrimetimeError("the stage ends")
        argument = topology or self.inventory.topology.argument
        command = [sys.executable, "-P", "-m", "primetime", *words, "-t", argument, "--json"]
        child = subprocess.Popen(
            bound(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(REPO)},
            start_new_session=True,  # Ctrl-C is the stage's to answer
        )
        self._children.add(child)
        last: list[str] = []
        listener = threading.Thread(target=_listen, args=(child, say, last), daemon=True)
        listener.start()
        try:
            assert child.stdout
            out = child.stdout.read().splitlines()
            child.wait()
            listener.join()
        finally:
            self._children.discard(child)
        if child.returncode not in (0, 3) or not out or not out[-1].startswith("{"):
            raise PrimetimeError(last[-1] if last else f"{words[0]} ended with exit code {child.returncode}")
        return dict(json.loads(out[-1]))

    def _the_driver(self) -> Any:
        if self._driver is None:
            raise PrimetimeError(f"{self.inventory.topology.name} is on EC2: nothing is broken there from here")
        return self._driver

    def _node(self, name: str) -> Any:
        if found := self._found(name):
            return found
        raise PrimetimeError(f"{self._declared.topology.name} has no machine {name} any more")

    def _found(self, name: str) -> Any:
        return next((node for node in self._the_driver().list_nodes() if node.name == name), None)


def _kept_from(topology: Topology) -> tuple[str, str]:
    """Why its machines cannot be broken from here, and why they get no small disk; empty where they can, and do."""
    if topology.cloud:
        return ("only on local machines",) * 2
    by, breaks = provider_of(topology), driver_for(topology).ex_breaks
    whole = "" if breaks else f"machines of nspawn and vagrant:lxc alone can be broken from here: these are by {by}"
    return whole, "" if by == "nspawn" else f"hosts of nspawn alone get a small disk: these are by {by}"


def figures_of(text: str, around: bool) -> Iterator[tuple[str, str]]:
    """Name and value of what _LOOK prints last: load, memory in KiB, the disk. A local host is a container: they are of
    the machine `around` it, and say so."""
    load, memory, disk = text.splitlines()
    free, total = (int(kib) / (1 << 20) for kib in memory.split())
    used, left = disk.split()
    of = " of the machine around it" if around else ""
    yield f"load{of}", load
    yield f"memory{of}", f"{free:.1f} of {total:.1f} GiB free"
    yield f"disk{of}", f"{used} used, {left} free"


def grouped(words: str) -> str:
    """Numbers as they are read: 100000 as 100,000."""
    return re.sub(r"\b\d{4,}\b", lambda match: f"{int(match[0]):,}", words)


def _listen(child: subprocess.Popen[str], say: Callable[[str], None], last: list[str]) -> None:
    """Pass on what a command says of its progress."""
    assert child.stderr
    for line in child.stderr:
        words = line.strip().removeprefix("primetime: ")
        if words:
            last.append(words)
            say(grouped(words.partition(": ")[2] or words))
