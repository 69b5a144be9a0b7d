"""Faults of a segment's bytes, between its writer and the shipper: one flipped, and the second half gone."""

from __future__ import annotations

from contextlib import AbstractContextManager

from tests.fault.cluster import COLLECTOR, Cluster
from tests.fault.disk import MB, SPOOL, configured, segments, ship, stop_shipping
from tests.fault.faults import Fault, Step

KEPT = "/root/segment.kept"
FLIP = "data[len(data) // 2] ^= 1"
TRUNCATE = "del data[len(data) // 2:]"


def damage(how: str) -> Step:
    """Nothing of it is shipped yet when a sealed segment is damaged; the whole one is kept beside the spool."""

    def do(cluster: Cluster) -> None:
        stop_shipping(cluster)
        begun = {stem(name) for name in segments(cluster)}

        def sealed_since() -> list[str]:
            return [name for name in sorted(segments(cluster)) if name.endswith(".sealed") and stem(name) not in begun]

        try:
            cluster.wait(sealed_since, "a segment that was begun and sealed since the shipper stopped")
            name = sealed_since()[0]
            file = f"{SPOOL}/{name}"
            script = f"data = bytearray(open({file!r}, 'rb').read()); {how}; open({file!r}, 'wb').write(data)"
            cluster.ssh(COLLECTOR, f'cp -p {file} {KEPT}; python3 -c "{script}"')
            cluster.kept["segment"] = name
        finally:
            ship(cluster)

    return do


def stem(name: str) -> str:
    return name.partition(".")[0]


def named(cluster: Cluster, _: object) -> str:
    name = stem(cluster.kept.get("segment", "none"))
    cluster.wait(lambda: cluster.problems().get(name) == "corrupt", f"a ledger that calls {name} corrupt")
    return "the ledger calls the segment corrupt"


def bring_back(cluster: Cluster) -> None:
    """As docs/ledger.md says: the whole file into its place, and shipped from its start."""
    if name := cluster.kept.pop("segment", None):
        cluster.ssh(COLLECTOR, f"mv {KEPT} {SPOOL}/{name}")
        cluster.demo.run("ledger", "again", stem(name))


def small_segments(cluster: Cluster) -> AbstractContextManager[None]:
    return configured(cluster, segment_bytes=MB)


def damaged(name: str, how: str) -> Fault:
    return Fault(
        name,
        damage(how),
        named,
        lambda cluster: not cluster.problems(),
        undo=bring_back,
        lasts_s=1,
        around=small_segments,
    )


FAULTS = [
    damaged("a byte of a sealed segment flipped", FLIP),
    damaged("half of a sealed segment cut off", TRUNCATE),
]
