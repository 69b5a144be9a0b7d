"""How the promises of monitoring are broken."""

from tests.promises.breaking import CONVERGED, UNDECLARED, Break, changed, commanded, moved

TARGETS = "/etc/primetime/monitoring/targets"
WRITTEN = f"monitoring: {CONVERGED}Write which "

# its configuration with another port of Alertmanager's
DEAF = (
    "mkdir -p /run/broken && sed -E '/alertmanagers/,+1 s/:[0-9]+\"/:1\"/' "
    "/etc/primetime/monitoring/prometheus/prometheus.yml > /run/broken/prometheus.yml"
)

BREAKS = {
    "prometheus listens where declared (port 9091)": moved("primetime-prometheus", 9091, "monitoring: *"),
    "alertmanager listens where declared (port 9093)": moved(
        "primetime-alertmanager", 9093, "monitoring: an alert arrives"
    ),
    "prober listens where declared (port 9115)": moved(
        "primetime-prober", 9115, "monitoring: it asks every endpoint it may whether it answers"
    ),
    "its targets are those that hosts declare": changed(
        f"{TARGETS}/scrapes.json", 's/"node": "/&stranger-/', f"{WRITTEN}scrapes Prometheus does"
    ),
    "it reads every target that answers": changed(
        f"{TARGETS}/scrapes.json", "s#/metrics#/nowhere#", f"{WRITTEN}scrapes Prometheus does"
    ),
    "it asks every endpoint it may whether it answers": changed(
        f"{TARGETS}/probes.json",
        's/:[0-9]*"$/:1"/',
        f"{WRITTEN}probes Prometheus does",
        "monitoring: its targets are those that hosts declare",
    ),
    "its rules are those that roles declare": changed(
        "/etc/primetime/monitoring/prometheus/rules.yml",
        "s/for: /&9/",
        f"monitoring: {CONVERGED}Write the rules of all roles' alerts",
        f"monitoring: {CONVERGED}Restart Prometheus on its new configuration",
        reload="systemctl reload primetime-prometheus",
    ),
    "an alert arrives": commanded(
        "primetime-prometheus", "s#--config.file=[^ ]*#--config.file=/run/broken/prometheus.yml#", files=DEAF
    ),
    "each of its pages shows something": changed(
        "/etc/primetime/monitoring/pages/libraries/page.lib",
        "s#</html>#stranger#",
        f"monitoring: {CONVERGED}Bring the libraries of its pages",
    ),
    "it keeps as much as declared": commanded("primetime-prometheus", "s/retention.time=[0-9]*d/retention.time=1d/"),
    "the distribution's units stay off": Break(
        "systemctl start prometheus",
        "systemctl stop prometheus",
        (
            f"monitoring: {CONVERGED}Stop the distribution's prometheus",
            UNDECLARED,
        ),
    ),
    "is as converged": changed(
        "/etc/primetime/monitoring/prober/prober.yml",
        "$ a # by hand",
        f"monitoring: {CONVERGED}Write what the prober asks",
        f"monitoring: {CONVERGED}Restart the prober on its new configuration",
    ),
}

SHOWS = "/etc/primetime/monitoring/calendar/shows.json"
WRITTEN_SHOWS = (
    f"monitoring/calendar: {CONVERGED}Write the shows that have a start",
    f"monitoring/calendar: {CONVERGED}Restart the calendar on its new program or shows",
)
CALENDAR = {
    "its calendar has every show that is to come": changed(
        SHOWS, "s/quiz/stranger/", *WRITTEN_SHOWS, reload="systemctl restart primetime-monitoring-calendar"
    ),
    "is as converged": changed(SHOWS, "$ a # by hand", *WRITTEN_SHOWS),
}
