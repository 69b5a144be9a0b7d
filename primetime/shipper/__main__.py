"""`python -m primetime.shipper --config FILE [--drain]`: what primetime-shipper.service runs."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
from pathlib import Path

from primetime.errors import PrimetimeError
from primetime.shipper.config import load
from primetime.shipper.spool import only_shipper
from primetime.shipper.supervisor import Supervisor, stop_at_sigterm


def main() -> int:
    parser = argparse.ArgumentParser(prog="primetime.shipper", description="Ship the spool to HBase and Redis.")
    parser.add_argument("--config", type=Path, required=True, help="the file that the shipper role writes")
    parser.add_argument("--drain", action="store_true", help="end when the spool is empty; 3: something cannot go")
    options = parser.parse_args()
    multiprocessing.current_process().name = "shipper"  # the lanes' names stand there in their lines
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(processName)s: %(message)s")
    try:
        config = load(options.config)
        if not config.spool.is_dir():
            raise PrimetimeError(f"{config.spool}: no such directory: converge the collector on this host")
        config.run.mkdir(parents=True, exist_ok=True)
        with only_shipper(config.spool):
            return Supervisor(config).run(stop_at_sigterm(), options.drain)
    except PrimetimeError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
