"""What there is to tell of a show: gathered from rehearsals' records, the monitoring host, and the topology.

Called by `show report`. What cannot be told is a sentence in `unknown`, never a number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from string import Template

from primetime import alerts
from primetime.capacity import Capacity, Crowd, capacity
from primetime.capacity_figures import FIGURES
from primetime.errors import PrimetimeError
from primetime.rehearsal.certificate import Certificate
from primetime.rehearsal.page import Curve, of_burst
from primetime.rehearsal.record import Record
from primetime.report.chart import Chart, chart
from primetime.report.prometheus import Prometheus, Series, step_s
from primetime.report.window import Window, began
from primetime.topology import Topology

ROUNDS = 4  # of scrapes that a rate looks at: some may be missing


@dataclass(frozen=True)
class Panel:
    """One drawing. In its PromQL `$span` is what a rate looks at, `$step` lies between two points of the drawing, and
    `$scrape` between two samples. A line is named by a label, or by `name`."""

    title: str
    unit: str
    expressions: tuple[tuple[str, str], ...]  # (name, or {label}; expression)


# A burst is over within a scrape or two: each point is the fastest of the scrapes in its step.
FASTEST = "max_over_time(sum(irate({}[$span]))[$step:$scrape])"
PANELS = (
    Panel(
        "Updates a second, in the fastest scrape",
        "a second",
        (
            ("accepted", FASTEST.format("primetime_collector_events_total")),
            ("stored in HBase", FASTEST.format("primetime_shipper_events_total{sink='hbase'}")),
            ("counted in Redis", FASTEST.format("primetime_shipper_events_total{sink='redis'}")),
        ),
    ),
    Panel(
        "Behind: age of the oldest update that is still to come",
        "seconds",
        (("{sink}", "max by (sink) (primetime_shipper_lag_seconds)"),),
    ),
    Panel(
        "Spools on the collectors' disks, with what is reserved",
        "MB",
        (("{node}", "sum by (node) (primetime_collector_spool_bytes) / 1e6"),),
    ),
    Panel(
        "Requests that were not answered 204",
        "requests/s",
        (("{code}", "sum by (code) (rate(primetime_collector_requests_total{route='events',code!='204'}[$span]))"),),
    ),
    Panel(
        "Until a group of updates was on disk",
        "ms",
        (
            (
                "median",
                "1000 * histogram_quantile(0.5, sum by (le) (rate(primetime_collector_commit_seconds_bucket[$span])))",
            ),
            (
                "99 of 100",
                "1000 * histogram_quantile(0.99, sum by (le) (rate(primetime_collector_commit_seconds_bucket[$span])))",
            ),
        ),
    ),
    Panel(
        "Processors busy",
        "cores",
        (("{node}", "sum by (node) (rate(node_cpu_seconds_total{mode!='idle'}[$span]))"),),
    ),
)
FIRING = "count_over_time(ALERTS{alertstate='firing',severity!='none'}[$step])"


@dataclass(frozen=True)
class Fired:
    """One alert that fired, at one place: from when to when (to the window's end when it did not stop in it)."""

    name: str
    severity: str
    where: str
    since: datetime
    until: datetime
    went_on: bool
    runbook: str


@dataclass(frozen=True)
class Rehearsed:
    certificate: Certificate
    curve: Curve


@dataclass
class Evening:
    """All of it. `fired` is None when nobody watched; `has`: what the topology has of what a crowd needs."""

    show: str
    topology: str
    window: Window
    rehearsals: list[Rehearsed] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    fired: list[Fired] | None = None
    crowd: Crowd | None = None
    needs: Capacity | None = None
    has: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def certificates(folder: Path, show: str) -> Iterator[tuple[Path, Certificate]]:
    """Those of a show's rehearsals with the folders of their records, oldest first."""
    for path in sorted(folder.glob("*/certificate.json")):
        found = json.loads(path.read_text())
        if found["show"] == show:
            yield path.parent, Certificate(**found)


def rehearsed(folder: Path, certificate: Certificate) -> Rehearsed:
    """A certificate with the curve of its burst."""
    record = Record.load(folder)
    return Rehearsed(certificate, of_burst(certificate, record.per_tenth, record.shipped))


def watch(evening: Evening, prometheus: Prometheus, scrape_s: float) -> None:
    """Add what the monitoring host kept: drawings, and what fired."""
    window = evening.window
    step = step_s(window, scrape_s)
    marks = [(began(each.certificate) - window.since).total_seconds() for each in evening.rehearsals]
    times = {"span": f"{max(ROUNDS * scrape_s, step):g}s", "step": f"{step:g}s", "scrape": f"{scrape_s:g}s"}
    try:
        for panel in PANELS:
            found = [
                (_name(name, series), series)
                for name, expression in panel.expressions
                for series in prometheus.over(Template(expression).substitute(times), window, step)
            ]
            evening.charts.append(chart(panel.title, panel.unit, found, window, step, marks))
        evening.fired = fired(prometheus.over(Template(FIRING).substitute(times), window, step), window, step)
    except PrimetimeError as error:
        evening.unknown.append(str(error))


def _name(name: str, series: Series) -> str:
    return series.labels.get(name[1:-1], "?") if name.startswith("{") else name


def fired(found: Sequence[Series], window: Window, step: float) -> list[Fired]:
    """Each stretch without a break, in order of its beginning."""
    runbooks = {alert.name: alert.runbook for every in alerts.declared().values() for alert in every}
    stretches = []
    for series in found:
        name = series.labels.get("alertname", "?")
        where = " ".join(series.labels[label] for label in ("node", "job", "mountpoint") if label in series.labels)
        for first, last in _stretches([at for at, _ in series.points], step):
            went_on = last > window.seconds - 2 * step
            stretches.append(
                Fired(
                    name=name,
                    severity=series.labels.get("severity", ""),
                    where=where,
                    since=window.since + timedelta(seconds=first),
                    until=window.since + timedelta(seconds=last),
                    went_on=went_on,
                    runbook=runbooks.get(name, ""),
                )
            )
    return sorted(stretches, key=lambda each: (each.since, each.name))


def _stretches(moments: Sequence[float], step: float) -> Iterator[tuple[float, float]]:
    first = last = None
    for at in moments:
        if first is None or last is None:
            first = at
        elif at - last > 2 * step:
            yield first, last
            first = at
        last = at
    if first is not None and last is not None:
        yield first, last


def size(evening: Evening, topology: Topology, crowd: Crowd | None) -> None:
    """Add what a crowd needs, and what the topology has of it. No crowd: the largest of the rehearsals."""
    crowd = crowd or _largest(evening.rehearsals)
    if crowd is None:
        evening.unknown.append("No crowd was declared or rehearsed, so there is nothing to compare capacity with.")
        return
    evening.crowd = crowd
    evening.needs = capacity(crowd, FIGURES)
    evening.has = {
        "collectors": _members(topology, "collector"),
        "stores": _members(topology, "hbase_regionserver"),
    }


def _members(topology: Topology, group: str) -> int:
    """Hosts of an inventory group; of a group that scales its most."""
    if topology.cloud is None:
        return len(topology.in_group(group))
    role = group.replace("_", "/")
    return sum(each.most or each.count or 0 for each in topology.cloud.groups if role in each.roles)


def _largest(rehearsals: Sequence[Rehearsed]) -> Crowd | None:
    every = [each.certificate for each in rehearsals if each.certificate.acked and each.certificate.accept_seconds]
    if not every:
        return None
    most = max(every, key=lambda each: each.acked)
    assert most.accept_seconds is not None
    return Crowd(updates=most.sent, seconds=max(round(most.accept_seconds, 1), 0.1), batch=most.batch)
