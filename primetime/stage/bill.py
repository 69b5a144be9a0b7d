"""What the page says of money: what an hour of the cluster costs on EC2, or of the one that a local one stands for.

Called by `stage`. Prices are those of `plan`: on demand, without balancers, volumes and traffic.
"""

from __future__ import annotations

from primetime.cloud.prices import cost
from primetime.topology import Cloud, Topology, load

MODEL = "production"  # what local hosts stand for


def bill(topology: Topology) -> dict[str, str]:
    """Name → words, in the order to be read."""
    cloud, of = (topology.cloud, topology.name) if topology.cloud else (load(MODEL).cloud, MODEL)
    assert cloud is not None
    least, most = _sizes(cloud, most=False), _sizes(cloud, most=True)
    what = "an hour" if topology.cloud else f"an hour of {of}, which local hosts stand for"
    return {
        f"{what}, between shows": f"{_money(least, cloud)} for {len(least)} machines",
        f"{what}, during one": f"{_money(most, cloud)} for up to {len(most)} machines",
    }


def _sizes(cloud: Cloud, *, most: bool) -> list[str]:
    return [
        group.sizes[0]
        for group in cloud.groups
        for _ in range((group.most if most else group.least) or group.count or 0)
    ]


def _money(sizes: list[str], cloud: Cloud) -> str:
    found = cost(sizes, cloud.region)
    return f"${found.per_hour:.2f}" + (f" (and unknown for {', '.join(found.unknown)})" if found.unknown else "")
