"""The spool of a host, as the faults of this folder use it: by the front door, and behind the collector's back."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

from primetime.inventory import live
from primetime.topology import load
from tests.conftest import Bench
from tests.shipping import Writer, event
from tests.waiting import wait_for

NODE = "collector-1"
PLACE = "/var/spool/primetime"
KEPT = "/root/kept"
SEALED_S = 60  # by age, 10 s after their first event
STRANGER = 9  # a worker that no collector has


def segments(bench: Bench) -> list[str]:
    """The names of the files that lie there."""
    found = bench.ssh(NODE, "find", PLACE, "-name", "*.sealed", "-o", "-name", "*.open")
    return [Path(line).name for line in found.splitlines()]


def wait_until_empty(bench: Bench) -> None:
    wait_for(lambda: not segments(bench), "everything is shipped", SEALED_S)


def post(bench: Bench, events: int, bytes_each: int = 0) -> None:
    """Send so many, a hundred at a time; each must be acknowledged."""
    address, port = live(load(str(bench.topology))).endpoint("collector", "http")
    more = f',"data":{{"x":"{"x" * bytes_each}"}}' if bytes_each else ""
    made = [event(number, show="rehearsal", more=more) for number in range(events)]
    for first in range(0, events, 100):
        batch = made[first : first + 100]
        body = b"[" + b",".join(batch) + b"]"
        with urllib.request.urlopen(f"http://{address}:{port}/events", body, timeout=30) as answer:
            assert answer.status == 204


def take_away(bench: Bench) -> None:
    """The one segment that is there, once it is sealed."""
    wait_for(lambda: [Path(name).suffix for name in segments(bench)] == [".sealed"], "it is sealed", SEALED_S)
    bench.ssh(NODE, "sh", "-c", f"mkdir -p {KEPT} && mv {PLACE}/*.sealed {KEPT}/")


def put_back_damaged(bench: Bench) -> None:
    """With another byte in its middle."""
    script = (
        f"cd {KEPT} && for file in *.sealed; do cp -p $file {PLACE}/$file.new && "
        f"printf Z | dd of={PLACE}/$file.new bs=1 seek=60 conv=notrunc status=none && "
        f"mv {PLACE}/$file.new {PLACE}/$file; done"
    )
    bench.ssh(NODE, "sh", "-c", script)


def bring_back(bench: Bench) -> None:
    """As it was, in place of what may lie there."""
    bench.ssh(NODE, "sh", "-c", f"mv {KEPT}/*.sealed {PLACE}/")


def kept(bench: Bench) -> list[str]:
    """The segments that the shipper keeps and cannot ship."""
    status = json.loads(bench.ssh(NODE, "cat", "/run/primetime-shipper/status.json"))
    return list(status["sinks"]["hbase"]["kept"])


def slip_in(bench: Bench, folder: Path, content: bytes) -> None:
    """A segment with this event, of a worker that is none of the collector's."""
    file = Writer(folder, worker=STRANGER).write(content).seal()
    place = f"{PLACE}/{file.name}"
    command = f"cat > {place}.new && chown collector:primetime-spool {place}.new && mv {place}.new {place}"
    config = live(load(str(bench.topology))).located[NODE].ssh_config
    subprocess.run(["ssh", "-F", config, NODE, command], input=file.read_bytes(), check=True)
