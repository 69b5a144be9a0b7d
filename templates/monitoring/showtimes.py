#!/usr/bin/python3
# Managed by primetime (roles/monitoring); edits are lost
"""showtimes ADDRESS PORT FILE: when the next broadcast of each show begins, and how many collectors it needs.

FILE has the shows as they are declared. One that is on, or may still overrun, is the next. Those that overlap need the
sum of theirs.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from series import instants, named
from telling import Teller

PREFIX = "primetime_show_"


def next_one(show, now):
    """(name, begins) of its first broadcast that is not over; None when there is none any more."""
    for clock, begins in instants(datetime.fromisoformat(show["start"]), show["time_zone"], show["repeat_days"]):
        if begins + timedelta(seconds=show["lasts_s"]) > now:
            return named(show["name"], clock, show["repeat_days"]), begins
    return None


def is_on(show, at):
    """Whether its collectors are there at an instant: from before a broadcast to its end."""
    following = next_one(show, at)
    return following is not None and following[1] - timedelta(seconds=show["lead_s"]) <= at


def rendered(declared, now):
    """What Prometheus reads."""
    shows, lines = declared["shows"], []
    for show in shows:
        if following := next_one(show, now):
            name, begins = following
            needed = sum(other["collectors"] for other in shows if other is show or is_on(other, begins))
            lines.append(f'{PREFIX}begins_timestamp_seconds{{show="{name}"}} {begins.timestamp():.0f}\n')
            lines.append(f'{PREFIX}collectors{{show="{name}"}} {needed}\n')
    return "".join(lines)


if __name__ == "__main__":
    address, port, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    declared = json.loads(file.read_text())
    with Teller((address, port), lambda: rendered(declared, datetime.now(UTC))) as teller:
        teller.serve_forever()
