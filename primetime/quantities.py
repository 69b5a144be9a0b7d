"""Numbers and times as operators write and read them: `1e6`, `5s`, `3m`, `2h`. Called by the command line."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from primetime.errors import UsageError

_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600}
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")


def count(text: str) -> int:
    """A whole number from 1 on: `20000`, `1e6`, `1.5e6`. UsageError for anything else."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 1 or number.adjusted() > 18 or number != number.to_integral_value():
        raise UsageError(f"{text!r} is not a whole number from 1 on: write it like 20000 or 1e6")
    return int(number)


def seconds(text: str) -> float:
    """A time above 0 in seconds: `5`, `5s`, `0.5s`, `3m`, `2h`. UsageError for anything else."""
    match = _TIME.fullmatch(text)
    if not match or not float(match[1]):
        raise UsageError(f"{text!r} is not a time above 0: write it like 5s, 3m or 2h")
    return float(match[1]) * _UNIT_S[match[2]]


def age(time: timedelta) -> str:
    """How long ago, in the largest unit that it fills: `40 s`, `3 m`, `5 h`, `12 d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if time.total_seconds() >= length:
            return f"{time.total_seconds() // length:.0f} {unit}"
    return f"{max(0.0, time.total_seconds()):.0f} s"
