"""A show's report from what there is now: records of rehearsals, the monitoring host. Called by `show report`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from primetime.calendar import Broadcast, broadcasts
from primetime.capacity import Crowd
from primetime.errors import PrimetimeError
from primetime.inventory import live
from primetime.report import window
from primetime.report.evening import Evening, certificates, rehearsed, size, watch
from primetime.report.prometheus import Prometheus
from primetime.settings import from_data
from primetime.topology import Topology
from roles.monitoring.settings import Monitoring

Asked = tuple[datetime | None, datetime | None]


def gather(topology: Topology, show: str, asked: Asked, records: Path, now: datetime) -> Evening:
    """All there is to tell of a show. `records`: the folder of the topology's rehearsals; `asked`: from, until."""
    every = list(certificates(records, show))
    begun = _begun(topology, show, now)
    span = window.of(show, asked, begun, [certificate for _, certificate in every], now)
    evening = Evening(show, topology.name, span)
    evening.rehearsals = [rehearsed(folder, each) for folder, each in every if span.has(window.began(each))]
    size(evening, topology, _crowd(begun))
    _watch(evening, topology)
    return evening


def _begun(topology: Topology, show: str, now: datetime) -> list[Broadcast]:
    every = topology.cloud.shows if topology.cloud else ()
    earliest = min((each.start for each in every), default=None)
    if earliest is None:
        return []
    found = broadcasts(every, earliest.replace(tzinfo=now.tzinfo), now)
    return [each for each in found if show in (each.name, each.show.name)]


def _crowd(begun: Sequence[Broadcast]) -> Crowd | None:
    if not begun:
        return None
    show = max(begun, key=lambda each: each.begins).show
    return Crowd(show.updates, show.within_s, show.batch)


def _watch(evening: Evening, topology: Topology) -> None:
    try:
        inventory = live(topology)
        if not topology.in_group("monitoring"):
            evening.unknown.append(
                f"Curves and alerts: topology {topology.name} has no host of role monitoring (docs/monitoring.md)."
            )
            return
        address, port = inventory.endpoint("monitoring", "prometheus")
        settings = from_data(Monitoring, inventory.settings(topology.in_group("monitoring")[0]))
        watch(evening, Prometheus(f"http://{address}:{port}"), float(settings.scrape_interval_s))
    except PrimetimeError as error:
        evening.unknown.append(f"Curves and alerts: {error}")
