#!/usr/bin/python3
# Managed by primetime (roles/collectd); edits are lost
"""receiver ADDRESS PORT HTTP_PORT KEEP_S MOST: takes what collectd's agents write, and shows the newest to Prometheus.

An agent writes lines of Graphite's plain text, with tags, over one connection:

    interface.if_octets.rx;host=redis-1;plugin=interface;plugin_instance=host0;type=if_octets;ds_name=rx 12.5 1795978619

is shown as collectd_interface_if_octets_rx{host="redis-1",plugin_instance="host0"} 12.5. A figure that nobody has
renewed for KEEP_S seconds is not shown any more; of more than MOST, further ones are dropped.
"""

import os
import re
import socket
import sys
import threading
import time
from socketserver import StreamRequestHandler

from telling import Teller, Threaded

LONGEST = 2048  # bytes of a line
LABELS = ("host", "plugin_instance", "type_instance")  # the other tags are in the name
PREFIX = "primetime_collectd_receiver_"


def parsed(line):
    """(name, labels) as Prometheus writes them, and the value; ValueError for a line that is none of an agent's."""
    path, value, at = line.split(" ")
    name, *tags = path.split(";")
    known = dict(tag.split("=", 1) for tag in tags)
    if not name or not known.get("host"):
        raise ValueError(line)
    int(at)
    labels = ",".join(f'{label}="{escaped(known[label])}"' for label in LABELS if label in known)
    return (f"collectd_{re.sub('[^a-zA-Z0-9_]', '_', name)}", labels), float(value)


def escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')


class Figures:
    """The newest of each thing that is measured; called by many threads."""

    def __init__(self, keep_s, most, clock=time.monotonic):
        self.keep_s, self.most, self.clock = keep_s, most, clock
        self.newest, self.taken, self.dropped, self.wrong = {}, 0, 0, 0
        self.lock = threading.Lock()

    def take(self, line):
        try:
            series, value = parsed(line.decode().rstrip("\r\n"))
        except ValueError:
            with self.lock:
                self.wrong += 1
            return
        with self.lock:
            if series in self.newest or len(self.newest) < self.most:
                self.newest[series] = (value, self.clock())
                self.taken += 1
            else:
                self.dropped += 1

    def rendered(self):
        """What Prometheus reads."""
        with self.lock:
            since = self.clock() - self.keep_s
            self.newest = {series: each for series, each in self.newest.items() if each[1] >= since}
            counted = {"taken_total": self.taken, "dropped_total": self.dropped, "malformed_total": self.wrong}
            shown = sorted(self.newest.items())
        lines = [f"{PREFIX}{name} {count}\n" for name, count in counted.items()]
        # not a number: a rate that is not known yet
        lines += [f"{name}{{{labels}}} {value!r}\n" for (name, labels), (value, _) in shown if value == value]
        return "".join(lines)


class Agent(StreamRequestHandler):
    """One connection; an agent that says nothing for as long as figures are kept opens another one."""

    def setup(self):
        self.timeout = self.server.figures.keep_s
        super().setup()

    def handle(self):
        try:
            while (line := self.rfile.readline(LONGEST)).endswith(b"\n"):
                self.server.figures.take(line)
        except OSError:
            pass


def ready():
    """Tell systemd."""
    if place := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.sendto(b"READY=1", place)


if __name__ == "__main__":
    address, port, http_port, keep_s, most = sys.argv[1], *map(int, sys.argv[2:6])
    figures = Figures(keep_s, most)
    with Threaded((address, port), Agent) as agents, Teller((address, http_port), figures.rendered) as teller:
        agents.figures = figures
        threading.Thread(target=agents.serve_forever, daemon=True).start()
        ready()
        teller.serve_forever()
