"""What the converging machine builds for hosts, so that no host needs a package index or a compiler.

Called while the machines boot, and by inventories (then everything is in the cache already).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from primetime import bundle, debs, distributions, jars
from primetime.debs import DebSet
from primetime.settings import packages

Progress = Callable[[str], None]

# kind → (roles that need it, how it is made for hosts of an image: progress, image → path)
KINDS: dict[str, tuple[tuple[str, ...], Callable[[Progress, str], Path]]] = {
    "jars": (("zookeeper", "hdfs", "hbase"), lambda progress, image: jars.ensure(progress)),
    "shipper": (("shipper",), lambda progress, image: bundle.SHIPPER.ensure(progress, distributions.python(image))),
    "guard": (("guard",), lambda progress, image: bundle.GUARD.ensure(progress, distributions.python(image))),
}


def ensure(groups: Iterable[str], image: str, progress: Progress = lambda _: None) -> dict[str, str]:
    """{kind: local path} of every artifact that hosts of an image in `groups` need, built where it is not cached."""
    wanted = {kind: make for kind, (roles, make) in KINDS.items() if set(roles) & set(groups)}
    with ThreadPoolExecutor() as pool:
        futures = {kind: pool.submit(make, progress, image) for kind, make in wanted.items()}
        return {kind: str(future.result()) for kind, future in futures.items()}


def ensure_debs(
    hosts: Iterable[tuple[str, ...]], image: str, image_root: Path, progress: Progress = lambda _: None
) -> None:
    """What Debian has to bring onto hosts, given by their groups, that are made of one image; damaged sets anew."""
    wanted = {DebSet.of(packages(groups, distributions.release(image)), image_root) for groups in hosts}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda debset: debs.ensure(debset, progress, check=True), wanted))
