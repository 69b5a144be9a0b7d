"""Monitoring: Debian's Prometheus, Alertmanager and prober under units and configurations of ours."""

import json
from io import StringIO
from typing import Any

from pyinfra.api import deploy
from pyinfra.api.operation import OperationMeta
from pyinfra.operations import apt, files, systemd

from primetime import here
from primetime.pending import reload_due, restart_due
from roles.monitoring.settings import Monitoring

FOLDER = "/etc/primetime/monitoring"
TARGETS = f"{FOLDER}/targets"  # Prometheus reads them anew by itself
PROMETHEUS = f"{FOLDER}/prometheus/prometheus.yml"
ALERTMANAGER = f"{FOLDER}/alertmanager.yml"
PROBER = f"{FOLDER}/prober.yml"


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
        dest=PROBER,
        mode="644",
    )
    _daemon("prober", "the prober", PROBER, prober, **values)
    alertmanager = files.template(
        name="Write alertmanager.yml",
        src="templates/monitoring/alertmanager.yml.j2",
        dest=ALERTMANAGER,
        mode="644",
    )
    _daemon("alertmanager", "Alertmanager", ALERTMANAGER, alertmanager, **values)
    for name, targets in (("scrapes", here.scrapes()), ("probes", here.probes())):
        files.put(
            name=f"Write which {name} Prometheus does",
            src=StringIO(json.dumps(targets, indent=1) + "\n"),
            dest=f"{TARGETS}/{name}.json",
            mode="644",
        )
    prometheus = files.template(
        name="Write prometheus.yml",
        src="templates/monitoring/prometheus.yml.j2",
        dest=PROMETHEUS,
        mode="644",
        targets=TARGETS,
        node_name=here.name(),
        **values,
    )
    _daemon("prometheus", "Prometheus", PROMETHEUS, prometheus, **values)


def _daemon(name: str, called: str, config: str, written: OperationMeta, **values: Any) -> None:
    """The unit of one, and that it runs on its configuration."""
    service, data = f"primetime-{name}", f"/var/lib/primetime-{name}"
    files.directory(
        name=f"Make the data folder of {called}", path=data, user="prometheus", group="prometheus", mode="750"
    )
    unit = files.template(
        name=f"Write the unit of {called}",
        src=f"templates/monitoring/{service}.service.j2",
        dest=f"/etc/systemd/system/{service}.service",
        mode="644",
        config=config,
        data=data,
        memory_mb=int(here.memory()[0] * values["monitoring"].memory_share),
        within=here.network(),
        **values,
    )
    systemd.daemon_reload(name=f"Read the changed unit of {called}", _if=reload_due(service, unit))
    systemd.service(
        name=f"Restart {called} on its new configuration",
        service=service,
        restarted=True,
        _if=restart_due(service, written, unit, reads=config),
    )
    systemd.service(name=f"Keep {called} running", service=service, running=True, enabled=True)
