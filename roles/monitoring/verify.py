"""What monitoring promises beyond running and listening. Asked from the controlling machine, as a person would."""

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from primetime import alerts
from primetime.calendar import broadcasts
from primetime.endpoints import Endpoint
from primetime.paths import REPO
from primetime.topology import load
from primetime.verify.shell import read
from roles.monitoring.settings import Monitoring, MonitoringCalendar

GROUP = "monitoring"
ROUNDS = 3  # of scrapes, in which a change is seen


def _asked(node: Any, path: str, **query: str) -> Any:
    """The `data` of an answer of Prometheus' API."""
    port = node.mine(Monitoring).prometheus_port
    url = f"http://{node.address}:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def _left(node: Any, look: Callable[[], list[str]]) -> list[str]:
    """What `look` still finds wrong after these rounds of scrapes, one of alerts and one of looking who is there; it
    returns once nothing is."""
    settings = node.mine(Monitoring)
    rounds = ROUNDS * settings.scrape_interval_s + settings.resend_s + settings.discovery_interval_s
    ends = time.monotonic() + rounds
    while (wrong := look()) and time.monotonic() < ends:
        time.sleep(0.5)
    return wrong


def _targets(jobs: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(target, job["labels"]["node"]) for job in jobs for target in job["targets"]}


def _active(node: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _asked(node, "targets", state="active")["activeTargets"]
    return found


def test_its_targets_are_those_that_hosts_declare(node: Any) -> None:
    """Of those that come and go some may have come meanwhile."""
    listed = _targets(node.data["scrapes"]) | _targets(node.data["probes"])
    members = node.data["discovery"]
    coming = {job["name"] for job in (*members["scrapes"], *members["probes"])}
    there = _targets(members["now"])

    def differing() -> list[str]:
        found: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
        for each in _active(node):
            labels = each["labels"]
            if labels["job"] != "prober":
                found[each["scrapePool"] in coming].add((labels["instance"], labels["node"]))
        return sorted(f"{name} ({target})" for target, name in (listed ^ found[False]) | (there - found[True]))

    assert not (wrong := _left(node, differing)), f"declared and not asked, or asked and not declared: {wrong}"


def test_it_reads_every_target_that_answers(node: Any, network: Any) -> None:
    """One that does not listen, or hangs, is its own role's broken promise; a way that is closed is base's."""
    hosts = {peer.name: peer for peer in node.peers("base")}

    def unread() -> list[str]:
        return [
            f"{each['labels']['node']} {each['scrapePool']} ({each['lastError'] or each['health']})"
            for each in _active(node)
            if each["health"] != "up"
            and "deadline exceeded" not in each["lastError"]
            and _listens(network, hosts, each["labels"])
        ]

    assert not (wrong := _left(node, unread)), "; ".join(wrong)


def _listens(network: Any, hosts: dict[str, Any], labels: dict[str, str]) -> bool:
    if labels["node"] not in network.listening:  # a host that does not answer
        return False
    port = int(labels["instance"].rpartition(":")[2])
    loopback = labels["instance"].startswith("127.")
    return bool(network.listens(hosts[labels["node"]], Endpoint("", port, loopback=loopback)))


def test_it_asks_every_endpoint_it_may_whether_it_answers(node: Any) -> None:
    members = [job for job in node.data["discovery"]["now"] if "group" in job["labels"]]
    wanted = _targets(node.data["probes"]) | _targets(members)

    def unasked() -> list[str]:
        asked = {each["metric"]["instance"] for each in _asked(node, "query", query="probe_success")["result"]}
        return sorted(f"{name} ({target})" for target, name in wanted if target not in asked)

    assert not (wrong := _left(node, unasked)), f"nobody asks {', '.join(wrong)}"


def test_its_rules_are_those_that_roles_declare(node: Any) -> None:
    overrides = node.mine(Monitoring).alerts
    wanted = {(alert.name, alert.lasts_s) for alert in alerts.of(node.data["cluster"], overrides)}
    groups = _asked(node, "rules")["groups"]
    assert {(rule["name"], rule["duration"]) for group in groups for rule in group["rules"]} == wanted
    assert [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"] == []


def test_an_alert_arrives(node: Any) -> None:
    """Watchdog fires all the time, and what fires is told again and again: Alertmanager has heard of it just now."""
    settings = node.mine(Monitoring)
    url = f"http://{node.address}:{settings.alertmanager_port}/api/v2/alerts?filter=alertname%3DWatchdog"

    def away() -> list[str]:
        with urllib.request.urlopen(url, timeout=10) as answer:
            heard = [datetime.fromisoformat(alert["updatedAt"]) for alert in json.load(answer)]
        since = datetime.now(UTC) - timedelta(seconds=3 * settings.resend_s)
        return [] if any(at > since for at in heard) else [f"Watchdog did not arrive within {3 * settings.resend_s} s"]

    assert not (wrong := _left(node, away)), wrong[0]


def test_each_of_its_pages_shows_something(node: Any) -> None:
    port = node.mine(Monitoring).prometheus_port
    for page in sorted((REPO / "templates" / GROUP / "consoles").glob("*.html")):
        with urllib.request.urlopen(f"http://{node.address}:{port}/consoles/{page.name}", timeout=10) as answer:
            assert b"</html>" in answer.read(), page.name


def test_it_keeps_as_much_as_declared(node: Any) -> None:
    flags, settings = _asked(node, "status/flags"), node.mine(Monitoring)
    assert _sum(flags["storage.tsdb.retention.size"], {"MiB": 1, "GiB": 1 << 10}) == settings.retention_mb
    assert _sum(flags["storage.tsdb.retention.time"], {"d": 1, "w": 7, "y": 365}) == settings.retention_days


def _sum(written: str, units: dict[str, int]) -> int:
    """Of a flag as Prometheus writes it: 15d, 2w1d, 1GiB512MiB."""
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(\D+)", written))


@pytest.mark.daemon("monitoring_calendar")
def test_its_calendar_has_every_show_that_is_to_come(host: Any, node: Any) -> None:
    shown = read(host, f"http://{node.address}:{node.mine(MonitoringCalendar).port}/metrics")
    told = set(re.findall(r'^primetime_show_begins_timestamp_seconds\{show="([^"]+)"\}', shown, re.MULTILINE))
    now, shows = datetime.now(UTC), load(node.data["topology"]).timed
    coming = [list(broadcasts([show], now, now + timedelta(days=8)))[:1] for show in shows]
    assert {each.name for first in coming for each in first} <= told


def test_the_distribution_s_units_stay_off(host: Any) -> None:
    assert [unit for unit in Monitoring.packages if host.service(unit).is_running] == []
