"""Prometheus' own promtool on the rules that our declarations become: they fire when they should, and not else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from primetime.alerts import Alert, declared, rules
from tests.alert_cases import CASES, STEP_S, Case

ALERTS = {alert.name: alert for alerts in declared().values() for alert in alerts}


def promtool(*words: str | Path) -> None:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def expected(alert: Alert, case: Case) -> list[dict[str, Any]]:
    if not case.says:
        return []
    told = {"says": case.says, "runbook": alert.runbook}
    return [{"exp_labels": {**case.fires, "severity": alert.severity}, "exp_annotations": told}]


def test_promtool_finds_the_rules_in_order(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rules(ALERTS.values()))
    promtool("check", "rules", tmp_path / "rules.yml")


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_when_it_should_and_not_else(name: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rules([ALERTS[name]]))
    tests = [
        {
            "name": case.claim,
            "interval": f"{STEP_S}s",
            "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
            "alert_rule_test": [{"eval_time": case.at, "alertname": name, "exp_alerts": expected(ALERTS[name], case)}],
        }
        for case in CASES[name]
    ]
    # promtool reads rule_files beside the file that names them
    whole = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP_S}s", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(whole))
    promtool("test", "rules", tmp_path / "tests.yml")
