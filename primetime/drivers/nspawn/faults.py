"""What is wrong with a network's cables: cut, lossy, slow; both ways, of one host or between two.

Called by driver and network. A fault is the cable's, not the host's: it stays while the host stops, dies or restarts,
and goes when it is healed, when its host is destroyed, with the network, or with a reboot of this machine. The list is
in /run/primetime/<network>/faults.json, and `apply` makes the kernel match it: drops by nft in table bridge, a link
that is down by `ip link` as well, a delay by a relay process in the network's control group.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from primetime.drivers.nspawn import cgroup, commands, state
from primetime.drivers.nspawn.state import Network
from primetime.errors import PrimetimeError, UsageError

RELAY = Path(__file__).with_name("relay.py")
KILL_TIMEOUT_S = 5
_LINKS = Path("/sys/class/net")
# `relayed` is dropped where it enters the bridge, before the bridge learns that the host is at that port: its relay has
# seen it by then, and brings it by another.
_TABLE = """
table bridge {table} {{
  comment "primetime {name}"
  chain faults {{
{rules}
  }}
  chain relayed {{
    type filter hook prerouting priority filter; policy accept;
{relayed}
  }}
  chain forward {{ type filter hook forward priority filter; policy accept; jump faults; }}
  chain input {{ type filter hook input priority filter; policy accept; jump faults; }}
  chain output {{ type filter hook output priority filter; policy accept; jump faults; }}
}}
"""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with `node`'s cable; with `to`, only with what passes between the two."""

    kind: str  # "down", "loss" or "delay"
    node: str
    to: str | None = None
    percent: float = 0
    ms: float = 0
    jitter_ms: float = 0

    def __str__(self) -> str:
        more = f" and up to {self.jitter_ms:g} ms more" if self.jitter_ms else ""
        what = {"down": "link down", "loss": f"loss {self.percent:g} %", "delay": f"delay {self.ms:g} ms{more}"}
        return what[self.kind] + (f" between {self.node} and {self.to}" if self.to else "")

    @property
    def place(self) -> tuple[str, str, str | None]:
        """There is one fault of a kind in one place."""
        return self.kind, self.node, self.to


def of(network: Network) -> list[Fault]:
    """The faults there are."""
    record = state.read_json(_file(network)) or {}
    return [Fault(**fault) for fault in record.get("faults", ())]


def touching(faults: Sequence[Fault], node: str) -> list[Fault]:
    return [fault for fault in faults if node in (fault.node, fault.to)]


def fault(kind: str, node: str, to: str | None = None, **amounts: float) -> Fault:
    """A checked fault; between two nodes it is the same from either end. Raises UsageError."""
    if to == node:
        raise UsageError(f"{node}: a fault between a node and itself is none: name another node in `to`")
    percent, ms = amounts.get("percent", 0), amounts.get("ms", 0)
    if not 0 <= percent <= 100:
        raise UsageError(f"{node}: loss {percent:g}: write a percentage of packets, 0 to 100")
    if min(ms, amounts.get("jitter_ms", 0)) < 0:
        raise UsageError(f"{node}: delay {ms:g}: write milliseconds, 0 or more")
    first, second = (node, None) if to is None else sorted((node, to))
    return Fault(kind, first, second, **amounts)


def put(network: Network, wanted: Fault) -> None:
    """Have this fault, in place of the one that is there; an amount of 0 removes it."""
    there = wanted.kind == "down" or wanted.percent or wanted.ms or wanted.jitter_ms
    change(network, lambda faults: [f for f in faults if f.place != wanted.place] + ([wanted] if there else []))


def remove(network: Network, which: Callable[[Fault], bool]) -> None:
    change(network, lambda faults: [fault for fault in faults if not which(fault)])


def change(network: Network, how: Callable[[list[Fault]], list[Fault]]) -> None:
    """Change the list and make it so; when that fails, all is as it was."""
    with network.changing("changing its faults"):
        before = of(network)
        after = how(before)
        if after == before:
            return
        try:
            _write(network, after)
            _apply(network, after)
        except PrimetimeError:
            _write(network, before)
            _apply(network, before)
            raise


def forget(network: Network, node: str) -> None:
    """Remove the faults of a node that is being destroyed. Call under `network.changing`."""
    faults = of(network)
    gone = touching(faults, node)
    if gone:
        left = [fault for fault in faults if fault not in gone]
        _write(network, left)
        _apply(network, left)


def _file(network: Network) -> Path:
    return network.run / "faults.json"


def _write(network: Network, faults: Sequence[Fault]) -> None:
    if faults:
        state.write_json(_file(network), {"faults": [asdict(fault) for fault in faults]})
    else:
        _file(network).unlink(missing_ok=True)


def _apply(network: Network, faults: Sequence[Fault]) -> None:
    addresses = {record.name: record.address for record in network.records()}
    _filter(network, faults, addresses)
    _set_links(network, {fault.node for fault in faults if fault.kind == "down"}, addresses)
    _set_relays(network, relays(network, faults, addresses))


def _filter(network: Network, faults: Sequence[Fault], addresses: dict[str, str]) -> None:
    """Replace the nft table in one transaction, or remove it."""
    slow = relays(network, faults, addresses)
    rules = [f'oifname "{link}" drop' for link in slow]
    rules += [rule for fault in faults for rule in drops(network, fault, addresses)]
    relayed = [f'iifname "{link}" drop' for link in slow]
    gone = f"table bridge {network.table}\ndelete table bridge {network.table}\n"
    filled = _TABLE.format(table=network.table, name=network.name, rules="\n".join(rules), relayed="\n".join(relayed))
    commands.run("nft", "-f", "-", stdin=gone + (filled if faults else ""))
    for link in slow:
        with contextlib.suppress(OSError):  # the host is not running
            (_LINKS / link / "brport/flush").write_text("1")  # else the bridge looks for it there until it speaks


def drops(network: Network, fault: Fault, addresses: dict[str, str]) -> Iterator[str]:
    """nft's rules for a fault, one for each way. A slow host's port is its relay's, and both names mean the host."""
    if fault.kind == "delay":
        return
    always = fault.kind == "down" or fault.percent == 100
    chance = "" if always else f"numgen random mod 10000 < {round(fault.percent * 100)} "
    port = _ports(network, addresses[fault.node])
    if fault.to is None:
        yield f"iifname {port} {chance}drop"
        yield f"oifname {port} {chance}drop"
    else:
        other = _ports(network, addresses[fault.to])
        yield f"iifname {port} oifname {other} {chance}drop"
        yield f"iifname {other} oifname {port} {chance}drop"


def _ports(network: Network, address: str) -> str:
    return f'{{ "{network.link(address)}", "{network.tap(address)}" }}'


def _set_links(network: Network, down: set[str], addresses: dict[str, str]) -> None:
    for name, address in addresses.items():
        link = network.link(address)
        with contextlib.suppress(OSError):  # the host is not running
            is_up = bool(int((_LINKS / link / "flags").read_text(), 16) & 1)
            if is_up == (name in down):
                commands.attempt("ip", "link", "set", link, "down" if is_up else "up")


def relays(network: Network, faults: Sequence[Fault], addresses: dict[str, str]) -> dict[str, list[str]]:
    """Link → what its relay is told, for every host that is slow. A delay between two is made at the first's cable."""
    alone: dict[str, str] = {}
    pairs: dict[str, list[str]] = {}
    for fault in faults:
        if fault.kind == "delay":
            amount = f"{fault.ms:g},{fault.jitter_ms:g}"
            if fault.to is None:
                alone[fault.node] = amount
            else:
                pairs.setdefault(fault.node, []).append(f"{addresses[fault.to]}={amount}")
    wanted = {}
    for node in sorted({*alone, *pairs}):
        link, tap = network.link(addresses[node]), network.tap(addresses[node])
        wanted[link] = [link, tap, network.bridge, alone.get(node, "0,0"), *sorted(pairs.get(node, ()))]
    return wanted


def _set_relays(network: Network, wanted: dict[str, list[str]]) -> None:
    """End the relays that are not wanted, start those that are missing, and leave the others alone."""
    group = network.cgroup("_faults")  # no node can have this name
    running = set()
    for pid in cgroup.processes(group):
        words = _told(pid)
        if words and words == wanted.get(words[0]):
            running.add(words[0])
        else:
            _kill(pid, group)
    for link in wanted.keys() - running:
        _start(network, cgroup.make(group, 0), wanted[link])
    if not wanted:
        cgroup.remove(group)


def _told(pid: int) -> list[str]:
    """The words that a relay was given; none when the process is no relay (any more)."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
        if str(RELAY) in words:
            return words[words.index(str(RELAY)) + 2 :]
    return []


def _kill(pid: int, group: str) -> None:
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while pid in cgroup.processes(group):
        cgroup.signal_member(pid, group, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise PrimetimeError(f"{group}: process {pid} survives SIGKILL: see /proc/{pid}/stack, then repeat")
        time.sleep(0.005)


def _start(network: Network, groups: Sequence[Path], words: Sequence[str]) -> None:
    """Start a relay; returns when it carries. It has a session of its own and outlives this command."""
    if not Path("/dev/net/tun").exists():
        raise PrimetimeError(f"{network.name}: this kernel has no /dev/net/tun, which a delay needs: modprobe tun")
    python = [sys.executable, "-I", "-S", str(RELAY)]
    command = ["setsid", "--fork", *python, " ".join(map(str, groups)), *words]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != b"carries\n":
            said = commands.last_words(process.stderr.read().decode(errors="replace"), 2)
            raise PrimetimeError(f"{network.name}: the relay of {words[0]} did not start: {said}")
