#!/usr/bin/python3
# Managed by primetime (roles/monitoring); edits are lost
"""showtimes ADDRESS PORT FILE: when the next broadcast of each show begins, and how many collectors it needs.

FILE has the shows as they are declared. One that is on, or may still overrun, is the next. Those that overlap need the
sum of theirs.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer

from series import instants, named

PATIENCE_S = 4.0  # less than Prometheus has
PREFIX = "primetime_show_"


def next_one(show, now):
    """(name, begins) of its first broadcast that is not over; None when there is none any more."""
    for clock, begins in instants(datetime.fromisoformat(show["start"]), show["time_zone"], show["repeat_days"]):
        if begins + timedelta(seconds=show["lasts_s"]) > now:
            return named(show["name"], clock, show["repeat_days"]), begins
    return None


def is_on(show, at, lead):
    """Whether its collectors are there at an instant: from before a broadcast to its end."""
    following = next_one(show, at)
    return following is not None and following[1] - lead <= at


def rendered(declared, now):
    """What Prometheus reads."""
    lead, shows = timedelta(seconds=declared["lead_s"]), declared["shows"]
    lines = []
    for show in shows:
        if following := next_one(show, now):
            name, begins = following
            needed = sum(other["collectors"] for other in shows if other is show or is_on(other, begins, lead))
            lines.append(f'{PREFIX}begins_timestamp_seconds{{show="{name}"}} {begins.timestamp():.0f}\n')
            lines.append(f'{PREFIX}collectors{{show="{name}"}} {needed}\n')
    return "".join(lines)


class Metrics(BaseHTTPRequestHandler):
    timeout = PATIENCE_S

    def do_GET(self):
        if self.path != "/metrics":
            self.send_error(404)
            return
        body = rendered(self.server.declared, datetime.now(UTC)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


class Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    address, port, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    with Server((address, port), Metrics) as server:
        server.declared = json.loads(file.read_text())
        server.serve_forever()
