"""What a rehearsal ran on: machine, versions, topology. For the page that people read; called by `rehearse`.

A certificate without it would be a number without a unit. What cannot be found out is told as not known.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from primetime.inventory import Inventory
from primetime.paths import REPO
from primetime.providers import provider_of
from primetime.rehearsal.record import write_whole

UNKNOWN = "not known"
_NAMES = {"hbase": "HBase", "hadoop": "Hadoop", "zookeeper": "ZooKeeper"}
_PACKAGES = {"nginx": "collector", "redis-server": "redis"}  # Debian package → a group that has it


@dataclass(frozen=True)
class Circumstances:
    """`machine` and `versions` are name → value, in the order to be read; `nodes`: (name, memory in MiB, roles)."""

    topology: str
    provider: str
    machine: dict[str, str]
    versions: dict[str, str]
    nodes: list[tuple[str, int, str]]

    def save(self, folder: Path) -> None:
        write_whole(folder / "circumstances.json", json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def load(cls, folder: Path) -> Circumstances | None:
        """What was kept of a run; None when it was not."""
        try:
            return cls(**json.loads((folder / "circumstances.json").read_text()))
        except FileNotFoundError:
            return None


def of(inventory: Inventory) -> Circumstances:
    """This machine and this cluster, now."""
    topology = inventory.topology
    nodes = [(node.name, node.memory_mb, " ".join(group for group in node.groups)) for node in topology.nodes]
    return Circumstances(topology.name, provider_of(topology), _machine(), _versions(inventory), nodes)


def revision() -> str:
    """This primetime's commit."""
    return _said(["git", "-C", str(REPO), "describe", "--always", "--dirty", "--abbrev=12"])


def _machine() -> dict[str, str]:
    memory = re.search(r"MemTotal: +(\d+)", _text("/proc/meminfo"))
    cpu = re.search(r"model name\s*: (.+)", _text("/proc/cpuinfo"))
    return {
        "cores": str(os.cpu_count() or UNKNOWN),
        "processor": cpu[1] if cpu else UNKNOWN,
        "memory": f"{int(memory[1]) / (1 << 20):.1f} GiB" if memory else UNKNOWN,
        "kernel": platform.release(),
    }


def _versions(inventory: Inventory) -> dict[str, str]:
    jars = dict(re.findall(r"<(hbase|hadoop|zookeeper)\.version>([^<]+)<", _text(str(REPO / "jars" / "pom.xml"))))
    with ThreadPoolExecutor() as pool:
        asked = {package: pool.submit(_installed, inventory, group, package) for package, group in _PACKAGES.items()}
        return {
            "primetime": revision(),
            **{package.removesuffix("-server"): answer.result() for package, answer in asked.items()},
            **{_NAMES[name]: version for name, version in jars.items()},
            "image": inventory.topology.image,
        }


def _installed(inventory: Inventory, group: str, package: str) -> str:
    nodes = inventory.topology.in_group(group)
    if not nodes:
        return "none"
    config = inventory.located[nodes[0].name].ssh_config
    return _said(["ssh", "-F", config, nodes[0].name, "--", f"dpkg-query -W -f '${{Version}}' {package}"])


def _said(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else UNKNOWN


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
