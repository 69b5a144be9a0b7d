"""No alert without a page that says what to do, a test that fires it, and a word on whether it was fired for real."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from primetime.alerts import Alert, declared, of, rules
from primetime.errors import UsageError
from primetime.paths import REPO
from tests.alert_cases import CASES
from tests.alerts.fired import NAMES as FIRED
from tests.metric_names import names
from tests.operations_page import commands, page

ALERTS = [alert for alerts in declared().values() for alert in alerts]
NEVER_QUIET = {"Watchdog"}


def by_name(alert: Alert) -> str:
    return alert.name


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_an_alert_has_a_runbook_with_something_to_paste(alert: Alert) -> None:
    assert (REPO / alert.runbook).is_file(), f"write {alert.runbook}: what it means, what to look at, what to do"
    assert page(alert.runbook).startswith(f"# {alert.name}\n")
    assert commands("console", alert.runbook), f"{alert.runbook}: no ```console block says where to look first"


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_an_alert_is_tested_to_fire_and_to_stay_quiet(alert: Alert) -> None:
    fires = {bool(case.says) for case in CASES.get(alert.name, ())}
    wanted = {True} if alert.name in NEVER_QUIET else {True, False}
    assert fires == wanted, f"tests/alert_cases.py: give {alert.name} a case in which it fires, and one in which not"


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_an_alert_tells_a_person_in_a_sentence_why_and_where(alert: Alert) -> None:
    assert alert.says.endswith(".") and alert.reason
    assert alert.name in NEVER_QUIET or "{{ $labels.node }}" in alert.says
    assert "$threshold" in alert.expression


def test_what_was_not_fired_for_real_is_said() -> None:
    said = page("docs/monitoring.md").partition("## Not fired here")[2].partition("\n## ")[0]
    rows = {line.split("`")[1] for line in said.splitlines() if line.startswith("| `")}
    assert rows == {alert.name for alert in ALERTS} - FIRED


def test_no_two_alerts_have_one_name() -> None:
    assert len(ALERTS) == len({alert.name for alert in ALERTS})


def test_every_case_and_runbook_is_of_an_alert() -> None:
    pages = {path.stem for path in (REPO / "docs" / "runbooks").glob("*.md")}
    names = {alert.name for alert in ALERTS}
    assert (set(CASES) - names, pages - names, FIRED - names) == (set(), set(), set())


def test_a_topology_has_the_alerts_of_its_roles_alone() -> None:
    names = {alert.name for alert in of(["base", "monitoring"])}
    assert "TargetDown" in names and "RedisNearlyFull" not in names


def test_a_threshold_and_a_duration_can_be_overridden() -> None:
    [rule] = [
        rule
        for rule in yaml.safe_load(rules(of(["redis"], {"RedisNearlyFull": {"threshold": 0.5, "lasts_s": 1.5}})))[
            "groups"
        ][0]["rules"]
        if rule["alert"] == "RedisNearlyFull"
    ]
    assert (rule["for"], rule["expr"].rpartition(" ")[2]) == ("1500ms", "0.5")


def test_how_far_an_alert_looks_back_can_be_overridden() -> None:
    [rule] = [
        rule
        for rule in yaml.safe_load(rules(of(["base"], {"DiskFullSoon": {"window_s": 30}})))["groups"][0]["rules"]
        if rule["alert"] == "DiskFullSoon"
    ]
    assert "[30000ms]" in rule["expr"] and "offset 30000ms" in rule["expr"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"RedisNearlyFul": {"threshold": 1}}, "no such alert: did you mean RedisNearlyFull?"),
        ({"Zzz": {"threshold": 1}}, f"no such alert: write one of {', '.join(alert.name for alert in ALERTS)}"),
        ({"RedisNearlyFull": 1}, "write what to override: {threshold: 1, lasts_s: 60}"),
        ({"RedisNearlyFull": {"window_s": 1}}, "only threshold and lasts_s can be overridden, by numbers"),
        ({"DiskFullSoon": {"reason": 1}}, "only threshold and lasts_s and window_s can be overridden, by numbers"),
        ({"RedisNearlyFull": {"severity": "page"}}, "only threshold and lasts_s can be overridden, by numbers"),
        ({"RedisNearlyFull": {"threshold": "much"}}, "only threshold and lasts_s can be overridden, by numbers"),
    ],
)
def test_an_override_that_no_alert_has_is_told(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match="monitoring_alerts: ") as caught:
        of(["redis"], overrides)
    assert str(caught.value).endswith(said)


def test_the_metrics_of_an_expression_are_found() -> None:
    expression = "sum by (node) (rate(a_total{x='y'}[1m])) / b_bytes offset 5m > $threshold and c:d"
    assert names(expression) == {"a_total", "b_bytes", "c:d"}
