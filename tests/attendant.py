"""A process that stands beside machines which tests only name: `python -m tests.attendant TOPOLOGY KIND [deaf]`."""

from __future__ import annotations

import sys
import time

from primetime.attendants import Attendant, is_dismissed

LOOK_S = 0.05


def main(topology: str, kind: str, *deaf: str) -> None:
    with Attendant(topology, kind).attending("a test", said=f"{kind} of {topology}") as held:
        while deaf or not is_dismissed(held):
            time.sleep(LOOK_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
