"""What an hour of a machine costs, and who says so. Called by the plan and by `show calendar`.

libcloud's own table of on-demand prices (US dollars, Linux), with the date it was collected; what it lacks is unknown,
never guessed. Balancers, volumes and traffic are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import libcloud


@dataclass(frozen=True)
class Price:
    """Dollars an hour; None: unknown."""

    size: str
    region: str
    per_hour: float | None
    source: str
    date: str

    def __str__(self) -> str:
        if self.per_hour is None:
            return f"{self.size} in {self.region}: unknown"
        return f"{self.size} in {self.region}: {self.per_hour:.4f}/h on demand ({self.source}, {self.date})"


@dataclass(frozen=True)
class Cost:
    """A sum of known prices, and the sizes whose prices are not known."""

    per_hour: float
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.per_hour:.2f}/h" + (f" and unknown for {', '.join(self.unknown)}" if self.unknown else "")


@cache
def _table() -> dict[str, Any]:
    path = Path(libcloud.__file__).parent / "data" / "pricing.json"
    table: dict[str, Any] = json.loads(path.read_text())
    return table


def price(size: str, region: str) -> Price:
    """The on-demand price of a size; an entry of nought in the table is none."""
    table = _table()
    found = table["compute"]["ec2_linux"].get(size, {}).get(region) or None
    date = datetime.fromtimestamp(int(table["updated"]), UTC).date().isoformat()
    return Price(size, region, float(found) if found else None, f"libcloud {libcloud.__version__} pricing.json", date)


def cost(sizes: Iterable[str], region: str) -> Cost:
    """Of so many machines, each by its size."""
    prices = [price(size, region) for size in sizes]
    unknown = tuple(dict.fromkeys(each.size for each in prices if each.per_hour is None))
    return Cost(sum(each.per_hour or 0 for each in prices), unknown)
