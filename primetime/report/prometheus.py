"""What a monitoring host's Prometheus kept of a span of time. Called by evening.

Its HTTP API: https://prometheus.io/docs/prometheus/latest/querying/api/ (range queries take 11,000 points at most).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from primetime.errors import PrimetimeError
from primetime.report.window import Window

POINTS = 1000  # in a span: a drawing has no room for more
TIMEOUT_S = 20


@dataclass(frozen=True)
class Series:
    """One line: what it is of, and (seconds since the window's begin, value); a value that is no number is left out."""

    labels: Mapping[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Prometheus:
    """One server, `http://ADDRESS:PORT`."""

    url: str

    def over(self, expression: str, window: Window, step: float) -> list[Series]:
        """An expression's values in a window, every `step` seconds (`step_s`)."""
        asked = {
            "query": expression,
            "start": f"{window.since.timestamp():.3f}",
            "end": f"{window.until.timestamp():.3f}",
            "step": f"{step:g}",
        }
        return [_series(each, window.since.timestamp()) for each in self._ask("query_range", asked)["result"]]

    def _ask(self, what: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """The `data` of an answer; PrimetimeError when there is none."""
        try:
            answer = requests.get(f"{self.url}/api/v1/{what}", params=dict(asked), timeout=TIMEOUT_S)
            found = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise PrimetimeError(
                f"Prometheus at {self.url} does not answer: {error}: see `primetime verify`"
            ) from error
        if found.get("status") != "success":
            raise PrimetimeError(f"Prometheus at {self.url} refuses {asked['query']!r}: {found.get('error')}")
        data: dict[str, Any] = found["data"]
        return data


def step_s(window: Window, least_s: float) -> float:
    """Seconds between two points: whole ones, and never so many points that they do not fit."""
    return max(least_s, float(math.ceil(window.seconds / POINTS)))


def _series(found: Mapping[str, Any], since_s: float) -> Series:
    points = [(at - since_s, float(value)) for at, value in found["values"]]
    return Series(found["metric"], [(at, value) for at, value in points if math.isfinite(value)])
