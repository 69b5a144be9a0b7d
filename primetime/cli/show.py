"""`show`: what shows need: `capacity`, the machines for a crowd; `calendar`, the weeks to come;
`freeze`, while a show is on; `report`, what one was.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from primetime.calendar import Broadcast
from primetime.capacity import Crowd, capacity
from primetime.capacity_figures import FIGURES
from primetime.cli import add_topology
from primetime.cloud.prices import cost
from primetime.cloud.schedule import calendar, collecting
from primetime.console import Console, table
from primetime.errors import UsageError
from primetime.paths import home
from primetime.quantities import count, seconds
from primetime.topology import Topology, load


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    sub = actions.add_parser("capacity", help="collectors, stores, disk and spool for a crowd, with the arithmetic")
    sub.add_argument("--updates", default="1e6", help="of the burst (default: 1e6)")
    sub.add_argument("--in", dest="within", default="5s", help="its length (default: 5s)")
    sub.add_argument("--batch", default="1", help="updates in a request (default: 1)")
    sub.add_argument("--phones-per-connection", default="1", help="default: 1, each phone has its own")
    sub.add_argument("--zones", default="3", help="zones that the machines are in; one may be lost (default: 3)")
    sub.add_argument("--outage", default="5m", help="how long the store may be away (default: 5m)")
    sub.add_argument(
        "--stored-within", default="60s", help="from a burst's start to the last one stored (default: 60s)"
    )
    sub.add_argument("--cores", default="2", help="of a collector (default: 2)")
    sub.add_argument("--json", action="store_true", help="end standard output with one JSON object on one line")
    sub = actions.add_parser("calendar", help="the shows to come: when, how many collectors, what they cost")
    add_topology(sub)
    sub.add_argument("--days", default="7", help="so many from now on (default: 7)")
    sub.add_argument("--from", dest="since", metavar="YYYY-MM-DD", help="a day (UTC) to begin with in place of now")
    sub.add_argument("--measured", action="store_true", help="how long launches took, and whether leads are enough")

    sub = actions.add_parser("report", help="what a show was, as one page: curves, certificates, alerts, capacity")
    sub.add_argument("show", metavar="SHOW", help="as events name it, for example quiz-20261128")
    add_topology(sub)
    sub.add_argument("--from", dest="since", metavar="MOMENT", help="like 2026-11-28T19:30 (UTC); default: the show's")
    sub.add_argument("--until", metavar="MOMENT", help="default: the show's end, or now")
    sub.add_argument("--output", metavar="FILE", help="default: PRIMETIME_HOME/reports/SHOW.html")

    sub = actions.add_parser("freeze", help="nothing takes a collector away until it is ended, and up refuses")
    add_topology(sub)
    sub.add_argument("--end", action="store_true", help="let everything go on")


def run(arguments: argparse.Namespace, console: Console) -> int:
    does = {"calendar": _calendar, "freeze": _freeze, "capacity": _capacity, "report": _report}
    return does[arguments.action](arguments, console)


def _freeze(arguments: argparse.Namespace, console: Console) -> int:
    from primetime.cloud import freeze, machines

    topology = load(arguments.topology)
    changed = freeze.freeze(machines.services(topology), topology, not arguments.end)
    word = "goes on" if arguments.end else "is frozen"
    suspended = "replacing the unhealthy and rebalancing zones"
    console.say(f"{topology.name} {word} ({suspended}): {', '.join(changed) or 'it was so before'}")
    console.result({"topology": topology.name, "frozen": not arguments.end, "changed": changed})
    return 0


def _calendar(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    group = collecting(topology.cloud) if topology.cloud else None
    if topology.cloud is None or group is None:
        raise UsageError(f"{topology.name} has no collectors that scale: a calendar is of a topology on EC2")
    since = _day(arguments.since) if arguments.since else datetime.now(UTC)
    found = calendar(topology.cloud, group, since, since + timedelta(days=count(arguments.days)))
    size = group.sizes[0]
    shows = []
    for broadcast in found.broadcasts:
        during = [each for each in found.changes if broadcast.name in each.broadcasts]
        most = max(during, key=lambda each: each.needed)
        hours = (broadcast.until - broadcast.since).total_seconds() / 3600
        price = cost([size] * most.collectors, topology.cloud.region)
        shows.append(
            {
                "show": broadcast.name,
                "begins": broadcast.begins.isoformat(),
                "local": _local(broadcast),
                "from": broadcast.since.isoformat(),
                "lead_s": broadcast.show.lead_s,
                "until": broadcast.until.isoformat(),
                "collectors": most.collectors,
                "needed": most.needed,
                "cost": None if price.unknown else round(price.per_hour * hours, 2),
                "short": most.needed > most.collectors,
            }
        )
    _tell_calendar(console, shows, found.changes, size)
    measured = _measured(topology, console) if arguments.measured else {}
    console.result({"topology": topology.name, "shows": shows, **measured})
    return 0


def _measured(topology: Topology, console: Console) -> dict[str, Any]:
    from primetime.cloud import launches, machines

    found = launches.of_collectors(machines.services(topology), topology)
    short = found.too_short(topology.timed)
    console.say(f"\nlaunches: {found}")
    for name in short:
        console.say(f"show {name}: its lead is too short: {launches.LENGTHEN}")
    return {"launches_s": list(found.seconds), "lead_too_short": short}


def _tell_calendar(console: Console, shows: list[dict[str, Any]], changes: Any, size: str) -> None:
    rows = [
        (
            show["show"],
            show["local"],
            f"{show['lead_s'] / 60:.0f}m",
            str(show["collectors"]),
            "unknown" if show["cost"] is None else f"{show['cost']:.2f}",
            f"too few: {show['needed']} needed, raise max" if show["short"] else "",
        )
        for show in shows
    ]
    head = ("show", "begins", "lead", "collectors", "cost", "warning")
    console.say(table(rows, head) if rows else "no show in these days")
    if rows:
        console.say(f"\ncost: US dollars on demand, all collectors as {size}, from the lead to the longest overrun")
        console.say(table([(f"{each.at:%a %Y-%m-%d %H:%M}Z", str(each.collectors)) for each in changes], ("from", "")))


def _local(broadcast: Broadcast) -> str:
    zone = broadcast.show.time_zone
    return f"{broadcast.begins.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a day: write it like 2026-11-28") from error


def _report(arguments: argparse.Namespace, console: Console) -> int:
    from primetime.cli.rehearse import runs
    from primetime.rehearsal.circumstances import revision
    from primetime.rehearsal.record import write_whole
    from primetime.report import window
    from primetime.report.gather import gather
    from primetime.report.page import page, verdict

    topology, now = load(arguments.topology), datetime.now(UTC)
    since, until = (window.instant(each) if each else None for each in (arguments.since, arguments.until))
    evening = gather(topology, arguments.show, (since, until), runs(topology), now)
    path = Path(arguments.output) if arguments.output else home() / "reports" / f"{arguments.show}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page(evening, now, revision()).encode())
    said = verdict(evening)
    console.say(f"{said.headline}: {said.sentence}")
    for sentence in evening.unknown:
        console.say(f"not known: {sentence}")
    console.say(f"to read and to send on: {path}")
    span = {"since": evening.window.since.isoformat(), "until": evening.window.until.isoformat()}
    fired = None if evening.fired is None else [each.name for each in evening.fired]
    runs_of = [each.certificate.run for each in evening.rehearsals]
    console.result(
        {"show": evening.show, "topology": topology.name, **span, "headline": said.headline, "good": said.good}
        | {"runs": runs_of, "fired": fired, "unknown": evening.unknown, "page": str(path)}
    )
    return 0


def _capacity(arguments: argparse.Namespace, console: Console) -> int:
    crowd = Crowd(
        updates=count(arguments.updates),
        seconds=seconds(arguments.within),
        batch=count(arguments.batch),
        per_connection=count(arguments.phones_per_connection),
        zones=count(arguments.zones),
        outage_s=seconds(arguments.outage),
        stored_within_s=seconds(arguments.stored_within),
        cores=count(arguments.cores),
    )
    found = capacity(crowd, FIGURES)
    for number, sentence in enumerate(found.steps, 1):
        console.say(f"{number:2}. {sentence}")
    console.say("\nmeasured:")
    rows = [(name, f"{f.value:,.0f} {f.unit}", f.date, f.machine, f.command) for name, f in FIGURES.items()]
    console.say(table(rows, ("figure", "value", "date", "machine", "command")))
    console.result(found.as_json() | {"figures": {name: vars(figure) for name, figure in FIGURES.items()}})
    return 0
