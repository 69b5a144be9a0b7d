"""The report of a show whose figures a real Prometheus has kept: its expressions, its lines, what fired."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
import requests

from primetime.errors import PrimetimeError
from primetime.report.evening import PANELS, Evening, watch
from primetime.report.page import page
from primetime.report.prometheus import Prometheus
from primetime.report.window import Window
from tests.redis_server import free_port
from tests.waiting import wait_for

BEGINS = datetime(2026, 11, 28, 19, 35, tzinfo=UTC)
EVERY_S = 5
SPAN_S = 600
BURST = range(300, 305)  # a million updates come in at once, and are stored within a minute
WINDOW = Window(BEGINS, BEGINS + timedelta(seconds=SPAN_S), "as asked for")


def samples() -> str:
    """What two collectors, their shippers and the rules told, as OpenMetrics."""
    told: dict[str, list[str]] = {}

    def tell(at: int, family: str, kind: str, series: str, value: float) -> None:
        lines = told.setdefault(family, [f"# TYPE {family} {kind}"])
        lines.append(f"{series} {value} {BEGINS.timestamp() + at}")

    for at in range(-60, SPAN_S + 60, EVERY_S):
        accepted = 500_000 if at >= BURST.stop else 0
        stored = max(0, min(500_000, (at - BURST.stop) * 10_000))
        for node in ("collector-1", "collector-2"):
            events = f'primetime_collector_events_total{{node="{node}"}}'
            tell(at, "primetime_collector_events", "counter", events, accepted)
            shipped = f'primetime_shipper_events_total{{node="{node}",sink="hbase",lane="0"}}'
            tell(at, "primetime_shipper_events", "counter", shipped, stored)
            behind = at - BURST.start if 0 < stored < accepted else 0
            lag = f'primetime_shipper_lag_seconds{{node="{node}",sink="hbase"}}'
            tell(at, "primetime_shipper_lag_seconds", "gauge", lag, behind)
            spool = f'primetime_collector_spool_bytes{{node="{node}"}}'
            tell(at, "primetime_collector_spool_bytes", "gauge", spool, 190 * (accepted - stored))
        if 330 <= at < 360:
            alert = 'ALERTS{alertname="HostDown",alertstate="firing",severity="page",node="store-1"}'
            tell(at, "ALERTS", "gauge", alert, 1)
            watchdog = 'ALERTS{alertname="Watchdog",alertstate="firing",severity="none"}'
            tell(at, "ALERTS", "gauge", watchdog, 1)
    told["ALERTS"].sort(key=lambda line: (not line.startswith("#"), line.split(" ")[0]))
    return "\n".join(line for lines in told.values() for line in grouped(lines)) + "\n# EOF\n"


def grouped(lines: list[str]) -> list[str]:
    """A family's samples, series by series, as OpenMetrics wants them."""
    return [lines[0], *sorted(lines[1:], key=lambda line: line.split(" ")[0])]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "told").write_text(samples())
    (folder / "prometheus.yml").write_text("")
    backfill = ["promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "told", folder / "data"]
    subprocess.run(backfill, check=True, capture_output=True)
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            wait_for(lambda: answers(port), "Prometheus answers")
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            server.kill()


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=10).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def evening(prometheus: Prometheus) -> Evening:
    found = Evening("quiz", "demo", WINDOW)
    watch(found, prometheus, EVERY_S)
    return found


def test_prometheus_takes_every_expression(evening: Evening) -> None:
    assert evening.unknown == []
    assert [chart.title for chart in evening.charts] == [panel.title for panel in PANELS]


def test_lines_are_what_was_told(evening: Evening) -> None:
    named = {(chart.title, line.name): line.most for chart in evening.charts for line in chart.lines}
    assert named["Updates a second, in the fastest scrape", "accepted"] == "200 k"  # all within one scrape
    assert named["Updates a second, in the fastest scrape", "stored in HBase"] == "20 k"
    assert named["Behind: age of the oldest update that is still to come", "hbase"] == "50"
    assert named["Spools on the collectors' disks, with what is reserved", "collector-1"] == "95"
    assert ("Updates a second, in the fastest scrape", "counted in Redis") not in named


def test_what_fired_is_named_and_what_always_fires_is_not(evening: Evening) -> None:
    assert evening.fired is not None
    (alert,) = evening.fired
    assert (alert.name, alert.where, alert.went_on) == ("HostDown", "store-1", False)
    assert alert.since == BEGINS + timedelta(seconds=330)


def test_the_page_draws_each_and_says_where_there_is_nothing(evening: Evening) -> None:
    text = page(evening, BEGINS, "abc")
    drawings = [ElementTree.fromstring(f"<svg{part.split('</svg>')[0]}</svg>") for part in text.split("<svg")[1:]]
    assert sum(len(list(drawing.iter("path"))) for drawing in drawings) == 2 * sum(
        len(chart.lines) for chart in evening.charts
    )
    assert text.count("Nobody told any in this time.") == sum(not chart.lines for chart in evening.charts) > 0


def test_a_prometheus_that_is_gone_is_a_sentence_in_the_report() -> None:
    found = Evening("quiz", "demo", WINDOW)
    watch(found, Prometheus(f"http://127.0.0.1:{free_port()}"), EVERY_S)
    assert found.fired is None
    assert "does not answer" in found.unknown[0]


def test_what_prometheus_refuses_is_told_with_its_reason(prometheus: Prometheus) -> None:
    with pytest.raises(PrimetimeError, match=r"refuses 'sum\(': .*parse error"):
        prometheus.over("sum(", WINDOW, EVERY_S)
