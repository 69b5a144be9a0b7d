"""What a daemon tells Prometheus, asked for as Prometheus does. Called by the promises of roles that tell something."""

from __future__ import annotations

import re
import urllib.request

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (\S+)")


def samples(address: str, port: int, path: str = "/metrics") -> dict[str, float]:
    """Every sample by its name and labels, as they are written; OSError when nobody answers."""
    with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=10) as answer:
        return read(answer.read().decode())


def read(text: str) -> dict[str, float]:
    """The samples of Prometheus' text format; ValueError for a line that is none."""
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        matched = SAMPLE.fullmatch(line)
        if not matched:
            raise ValueError(f"not a sample: {line}")
        found[matched[1]] = float(matched[2])
    return found
