"""What the page says of money: what an hour of the cluster costs on EC2, or of the one that a local one stands for.

Called by `stage`. Prices are those of `plan`: on demand, without balancers, volumes and traffic.
"""

from __future__ import annotations

from typing import Any

from primetime.cloud.prices import cost, price
from primetime.topology import Cloud, Topology, load

MODEL = "production"  # what local hosts stand for


def bill(topology: Topology) -> dict[str, str]:
    """Name → words, in the order to be read."""
    cloud, of = _model(topology)
    least, most = _sizes(cloud, most=False), _sizes(cloud, most=True)
    what = "an hour" if topology.cloud else f"an hour of {of}, which local hosts stand for"
    return {
        f"{what}, between shows": f"{_money(least, cloud)} for {len(least)} machines",
        f"{what}, during one": f"{_money(most, cloud)} for up to {len(most)} machines",
    }


def price_of(topology: Topology) -> str:
    """The same in half a line."""
    cloud, _ = _model(topology)
    least, most = (_money(_sizes(cloud, most=most), cloud) for most in (False, True))
    return f"{'' if topology.cloud else 'on EC2 '}{least} an hour, up to {most} during a show"


def capacity(topology: Topology) -> tuple[dict[str, Any], ...]:
    """Each group there: {"name", "least", "most" machines, "size", "hour": dollars for one, None when unknown}."""
    cloud, _ = _model(topology)
    return tuple(
        {
            "name": group.name,
            "least": group.least or group.count or 0,
            "most": group.most or group.count or 0,
            "size": group.sizes[0],
            "hour": price(group.sizes[0], cloud.region).per_hour,
        }
        for group in cloud.groups
    )


def _model(topology: Topology) -> tuple[Cloud, str]:
    cloud, of = (topology.cloud, topology.name) if topology.cloud else (load(MODEL).cloud, MODEL)
    assert cloud is not None
    return cloud, of


def _sizes(cloud: Cloud, *, most: bool) -> list[str]:
    return [
        group.sizes[0]
        for group in cloud.groups
        for _ in range((group.most if most else group.least) or group.count or 0)
    ]


def _money(sizes: list[str], cloud: Cloud) -> str:
    found = cost(sizes, cloud.region)
    return f"${found.per_hour:.2f}" + (f" (and unknown for {', '.join(found.unknown)})" if found.unknown else "")
