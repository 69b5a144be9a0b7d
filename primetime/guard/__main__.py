"""`python -m primetime.guard`, with the places that its options name: what primetime-guard.service runs."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path
from threading import Event

from primetime.drivers.autoscaling import AutoScalingDriver
from primetime.drivers.aws.metadata import Metadata
from primetime.drivers.balancing import BalancingDriver
from primetime.drivers.volumes import VolumesDriver
from primetime.errors import PrimetimeError
from primetime.guard.adoption import Folders
from primetime.guard.agent import Agent, Places
from primetime.guard.member import Member

WAIT_S = 10.0


def _region(metadata: Metadata, stop: Event) -> str:
    """This instance's; a machine that is none waits here, and says so once."""
    told = False
    while not stop.is_set():
        try:
            if region := metadata.get("placement/region"):
                return region.strip()
        except PrimetimeError as error:
            if not told:
                logging.info("waiting: %s", error)
            told = True
        stop.wait(WAIT_S)
    raise SystemExit(0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="primetime.guard", description="Keep an instance until its spool is shipped.")
    parser.add_argument("--spool", type=Path, required=True, help="the collector's spool")
    parser.add_argument("--draining", type=Path, required=True, help="the file that makes the collector drain")
    parser.add_argument("--status", type=Path, required=True, help="the shipper's status")
    parser.add_argument("--wanted", type=Path, required=True, help="where this host is asked to take spools over")
    parser.add_argument("--results", type=Path, required=True, help="where it says what became of them")
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    stop = Event()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_, lambda *_: stop.set())
    try:
        metadata = Metadata()
        region = _region(metadata, stop)
        member = Member(metadata, AutoScalingDriver(region=region), BalancingDriver(region=region))
        disks = VolumesDriver(region=region)
        desk = Folders(options.wanted, options.results)
        places = Places(options.spool, options.draining, options.status, desk)
        Agent(places, member, lambda: disks.volumes).run(stop)
    except PrimetimeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
