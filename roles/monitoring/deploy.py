"""Monitoring: Debian's Prometheus, Alertmanager and prober under units and configurations of ours."""

import json
from io import StringIO
from typing import Any

from pyinfra.api import deploy
from pyinfra.api.operation import OperationMeta
from pyinfra.operations import apt, files, systemd

from primetime import alerts, here, units
from primetime.drivers.aws import regions
from primetime.operations import system_user
from roles.monitoring.settings import Monitoring, MonitoringCalendar

FOLDER = "/etc/primetime/monitoring"
TARGETS = f"{FOLDER}/targets"  # Prometheus reads them anew by itself
PAGES = f"{FOLDER}/pages"
RULES = f"{FOLDER}/prometheus/rules.yml"
CALENDAR = "/opt/primetime/calendar"
SHOWS = f"{FOLDER}/calendar/shows.json"
HEAD = "# Managed by primetime (roles/monitoring, from roles/*/alerts.py); edits are lost\n"


@deploy("Monitoring")
def monitoring() -> None:
    settings = here.mine(Monitoring)
    apt.packages(name="Install Prometheus, Alertmanager and the prober", packages=here.packages(Monitoring))
    for package in settings.packages:
        systemd.service(name=f"Stop the distribution's {package}", service=package, running=False, enabled=False)
    values: dict[str, Any] = {"monitoring": settings, "address": here.address()}
    prober = files.template(
        name="Write what the prober asks",
        src="templates/monitoring/prober.yml.j2",
        dest=_config("prober"),
        mode="644",
    )
    _daemon("prober", "the prober", prober, **values)
    alertmanager = files.template(
        name="Write alertmanager.yml",
        src="templates/monitoring/alertmanager.yml.j2",
        dest=_config("alertmanager"),
        mode="644",
        **values,
    )
    outside: dict[str, Any] = {"within": []} if settings.webhook else {}  # who is to be told may be anywhere
    _daemon("alertmanager", "Alertmanager", alertmanager, **values, **outside)
    for name, targets in (("scrapes", here.scrapes()), ("probes", here.probes())):
        files.put(
            name=f"Write which {name} Prometheus does",
            src=StringIO(json.dumps(targets, indent=1) + "\n"),
            dest=f"{TARGETS}/{name}.json",
            mode="644",
        )
    rules = files.put(
        name="Write the rules of all roles' alerts",
        src=StringIO(HEAD + alerts.rules(alerts.of(here.all_groups(), settings.alerts))),
        dest=RULES,
        mode="644",
    )
    prometheus = files.template(
        name="Write prometheus.yml",
        src="templates/monitoring/prometheus.yml.j2",
        dest=_config("prometheus"),
        mode="644",
        targets=TARGETS,
        rules=RULES,
        node_name=here.name(),
        members=here.members(),
        aws=regions.url_given("ec2"),  # where whoever converges finds it
        **values,
    )
    for folder in ("consoles", "libraries"):  # read anew at each look
        files.sync(
            name=f"Bring the {folder} of its pages",
            src=f"templates/monitoring/{folder}",
            dest=f"{PAGES}/{folder}",
            mode="644",
            dir_mode="755",
            delete=True,
        )
    asking: dict[str, Any] = {"within": []} if here.members()["scrapes"] else {}  # EC2 answers outside of the network
    _daemon("prometheus", "Prometheus", rules, prometheus, pages=PAGES, **values, **asking)


@deploy("Monitoring calendar")
def monitoring_calendar() -> None:
    service = "primetime-monitoring-calendar"
    apt.packages(name="Install what the calendar runs on", packages=here.packages(MonitoringCalendar))
    system_user(name="Make the calendar's user", user="monitoring-calendar")
    program = files.put(
        name="Install the calendar", src="templates/monitoring/showtimes.py", dest=f"{CALENDAR}/showtimes", mode="755"
    )
    series = files.put(
        name="Install what knows a series' days", src="primetime/series.py", dest=f"{CALENDAR}/series.py", mode="644"
    )
    telling = files.put(
        name="Install how it tells Prometheus", src="primetime/telling.py", dest=f"{CALENDAR}/telling.py", mode="644"
    )
    shows = files.put(
        name="Write the shows that have a start",
        src=StringIO(json.dumps(here.showtimes(), indent=1) + "\n"),
        dest=SHOWS,
        mode="644",
    )
    units.keep(
        service,
        "the calendar",
        program,
        series,
        telling,
        shows,
        src=f"templates/monitoring/{service}.service.j2",
        new="program or shows",
        reads=SHOWS,
        program=f"{CALENDAR}/showtimes",
        shows=SHOWS,
        calendar=here.mine(MonitoringCalendar),
        address=here.address(),
        within=here.network(),
    )


def _config(name: str) -> str:
    """The configuration of one, in a folder with all else that it reads once, as it starts."""
    return f"{FOLDER}/{name}/{name}.yml"


def _daemon(name: str, called: str, *written: OperationMeta, **values: Any) -> None:
    """The unit of one, and that it runs on its configuration."""
    values = {"within": here.network(), **values}
    service, data = f"primetime-{name}", f"/var/lib/primetime-{name}"
    files.directory(
        name=f"Make the data folder of {called}", path=data, user="prometheus", group="prometheus", mode="750"
    )
    units.keep(
        service,
        called,
        *written,
        src=f"templates/monitoring/{service}.service.j2",
        new="configuration",
        reads=f"{FOLDER}/{name}",
        config=_config(name),
        data=data,
        memory_mb=int(here.memory()[0] * values["monitoring"].memory_share),
        **values,
    )
