"""The names of metrics in PromQL: what alerts and pages ask for."""

from __future__ import annotations

import re

from primetime.alerts import of
from primetime.paths import REPO

PAGES = REPO / "templates" / "monitoring" / "consoles"
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "offset", "bool", "group_left", "group_right"}
_LABELS = re.compile(r"\{[^}]*\}|\b(?:by|without|on|ignoring)\s*\([^)]*\)|\[[^\]]*\]|\"[^\"]*\"|'[^']*'")
_NAME = re.compile(r"(?<![\w$.])([a-zA-Z_:][\w:]*)\b(?!\s*\()")
# what is a metric of Prometheus itself, and there only while something is wrong
AT_TIMES = {"ALERTS"}


def names(expression: str) -> set[str]:
    """`sum by (node) (rate(a_total{x="y"}[1m])) > $threshold` → {"a_total"}."""
    return set(_NAME.findall(_LABELS.sub(" ", expression))) - WORDS


def asked_by_alerts(groups: list[str]) -> set[str]:
    """What the alerts of these inventory groups name."""
    return {name for alert in of(groups) for name in names(alert.expression)}


def asked_by_pages() -> set[str]:
    """What the pages of Prometheus name."""
    found = set()
    for page in PAGES.glob("*.html"):
        for quoted in re.findall(r'"([^"\n]*)"', "".join(re.findall(r"\{\{(.*?)\}\}", page.read_text()))):
            if re.search(r"[({]|_total|_bytes|^[a-z]+(_[a-z0-9]+)+$", quoted) and " is " not in quoted:
                found |= {name for name in names(quoted) if "_" in name or name in ("up", *AT_TIMES)}
    return found - AT_TIMES
