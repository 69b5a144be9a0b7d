"""Alerts as roles declare them: what is wrong, from when on, for how long, and what the person who is called reads.

`roles/<role>/alerts.py` lists its own in `ALERTS`; the monitoring role writes the rules of the roles that its topology
has. Data only, but for the rendering; thresholds and durations can be overridden (`monitoring_alerts`).
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from string import Template
from typing import Any, Literal

import yaml

from primetime.errors import UsageError
from primetime.paths import REPO

Severity = Literal["page", "ticket", "none"]
OVERRIDABLE = ("threshold", "lasts_s", "window_s")


@dataclass(frozen=True)
class Alert:
    """`expression` is PromQL in which `$threshold` stands for the threshold, whose `reason` says why it is this one,
    and `$window` for how far it looks back, if it does (`window_s`).

    It fires when it has held for `lasts_s` without a break. `page`: somebody gets up; `ticket`: it waits until the
    morning; `none`: nobody is told. `says` is a sentence in which {{ $labels.node }} and {{ $value }} are filled in.
    """

    name: str
    expression: str
    threshold: float
    reason: str
    lasts_s: float
    severity: Severity
    says: str
    window_s: float = 0

    @property
    def runbook(self) -> str:
        """The page that says what to do, a path in the repository."""
        return f"docs/runbooks/{self.name}.md"


def declared() -> dict[str, tuple[Alert, ...]]:
    """Role → its alerts."""
    return {
        path.parent.name: importlib.import_module(f"roles.{path.parent.name}.alerts").ALERTS
        for path in sorted((REPO / "roles").glob("*/alerts.py"))
    }


def of(groups: Iterable[str], overrides: Mapping[str, Any] | None = None) -> list[Alert]:
    """The alerts of the roles among these inventory groups. UsageError for an override that none of all alerts has."""
    every = {alert.name: alert for alerts in declared().values() for alert in alerts}
    for name, values in (overrides or {}).items():
        _check(name, values, every)
    there = set(groups)
    return [
        replace(alert, **(overrides or {}).get(alert.name, {}))
        for role, alerts in declared().items()
        for alert in alerts
        if role in there
    ]


def _check(name: str, values: Any, every: Mapping[str, Alert]) -> None:
    where = f"monitoring_alerts: {name}"
    if name not in every:
        raise UsageError(f"{where}: no such alert: {_instead(name, every)}")
    if not isinstance(values, Mapping) or not values:
        raise UsageError(f"{where}: write what to override: {{threshold: 1, lasts_s: 60}}")
    for key, value in values.items():
        allowed = OVERRIDABLE if every[name].window_s else OVERRIDABLE[:2]
        if key not in allowed or isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{where}: {key}: {value!r}: only {' and '.join(allowed)} can be overridden, by numbers")


def _instead(name: str, every: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, every, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"write one of {', '.join(every)}"


def rules(alerts: Iterable[Alert]) -> str:
    """The rule file that Prometheus reads."""
    written = [
        {
            "alert": alert.name,
            "expr": _filled_in(alert),
            "for": _duration(alert.lasts_s),
            "labels": {"severity": alert.severity},
            "annotations": {"says": alert.says, "runbook": alert.runbook},
        }
        for alert in alerts
    ]
    return str(yaml.safe_dump({"groups": [{"name": "primetime", "rules": written}]}, sort_keys=False, width=1000))


def _filled_in(alert: Alert) -> str:
    return Template(alert.expression).substitute(threshold=f"{alert.threshold:g}", window=_duration(alert.window_s))


def _duration(seconds: float) -> str:
    """As Prometheus reads it."""
    return f"{round(seconds * 1000)}ms"
