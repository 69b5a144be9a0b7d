"""What the converging machine builds for hosts, so that no host needs a package index or a compiler.

Called while the machines boot, and by inventories (then everything is in the cache already).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from primetime import bundle, debs, jars
from primetime.debs import DebSet
from primetime.settings import packages

Progress = Callable[[str], None]

# kind → (roles that need it, how it is made: progress → path)
KINDS = {
    "jars": (("zookeeper", "hdfs", "hbase"), jars.ensure),
    "shipper": (("shipper",), bundle.ensure),
}


def ensure(groups: Iterable[str], progress: Progress = lambda _: None) -> dict[str, str]:
    """{kind: local path} of every artifact that hosts in `groups` need, built where it is not in the cache."""
    wanted = {kind: make for kind, (roles, make) in KINDS.items() if set(roles) & set(groups)}
    with ThreadPoolExecutor() as pool:
        futures = {kind: pool.submit(make, progress) for kind, make in wanted.items()}
        return {kind: str(future.result()) for kind, future in futures.items()}


def ensure_debs(hosts: Iterable[tuple[str, ...]], image_root: Path, progress: Progress = lambda _: None) -> None:
    """What Debian has to bring onto hosts, given by their groups, that are made of one image; damaged sets anew."""
    wanted = {DebSet.of(packages(groups), image_root) for groups in hosts}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda debset: debs.ensure(debset, progress, check=True), wanted))
