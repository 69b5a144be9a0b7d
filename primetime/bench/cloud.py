"""A cluster on EC2 made, looked at and removed: primetime beside Terraform, seconds and calls to AWS.

Called by bench/cloud. AWS is one moto server on loopback, empty before each tool's turn; its log says how many calls
there were. Both make what `export cloudformation` has of the same topology; primetime also makes what machines
configure themselves from (a bucket and a signed bundle in it, parameters, a role for each group), which Terraform's
configuration leaves out as CloudFormation's does. A tool that does not find its own work unchanged ends the run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from primetime.bench.servers import free_port
from primetime.bench.terraform import configuration
from primetime.children import bound
from primetime.console import table
from primetime.errors import PrimetimeError
from primetime.paths import REPO

PRIMETIME = str(REPO / "bin" / "primetime")
REGION = "eu-central-1"
COLUMNS = ("what", "with", "calls", "seconds", "CPU s", "seconds, ratio", "resources")
CALL = re.compile(r'"(?:GET|PUT|POST|HEAD|DELETE) /(?!moto-api)')
DEADLINE_S = 600


@dataclass(frozen=True)
class Turn:
    """One command of one tool."""

    what: str
    tool: str
    calls: int
    seconds: float
    cpu_s: float


class Moto:
    """The AWS of this measurement."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "moto.log"

    def reset(self) -> None:
        """Forget everything."""
        self._ask("reset")

    def is_up(self) -> bool:
        with contextlib.suppress(OSError):
            self._ask("reset")
            return True
        return False

    def _ask(self, what: str) -> None:
        request = urllib.request.Request(f"{self.url}/moto-api/{what}", data=b"", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def calls(self) -> int:
        """How many it was asked so far."""
        return len(CALL.findall(self.log.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/cloud", description=__doc__.partition("\n")[0])
    parser.add_argument("-t", "--topology", default="production", help="one on EC2 (default: production)")
    parser.add_argument("--rounds", type=int, default=3, help="of all, in turns; medians are told (default: 3)")
    parser.add_argument("--plans", type=int, default=5, help="unchanged plans in each round (default: 5)")
    parser.add_argument(
        "--providers", metavar="FOLDER", help="of Terraform's, on this machine (default: as it is set up)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="primetime-bench-cloud-") as name, _moto(Path(name)) as moto:
        folder = Path(name)
        tools: list[Ours | Terraform] = [Ours(moto, folder, arguments.topology)]
        if shutil.which("terraform"):
            tools.append(Terraform(moto, folder, arguments.topology, arguments.providers))
        else:
            print("primetime: Terraform is not on this machine: primetime is measured alone", file=sys.stderr)
        turns: list[Turn] = []
        for number in range(arguments.rounds):
            for tool in tools if number % 2 == 0 else tools[::-1]:
                moto.reset()
                turns += tool.turn(arguments.plans)
                print(f"  round {number + 1}: {tool.name} has been", file=sys.stderr)
        print(table(_rows(turns, {tool.name: tool.resources for tool in tools}), COLUMNS))


def _rows(turns: list[Turn], resources: dict[str, int]) -> list[tuple[str, ...]]:
    """Medians, with ours as the ratio's unit."""
    rows: list[tuple[str, ...]] = []
    for what in dict.fromkeys(turn.what for turn in turns):
        own = statistics.median(turn.seconds for turn in turns if (turn.what, turn.tool) == (what, Ours.name))
        for tool in resources:
            mine = [turn for turn in turns if (turn.what, turn.tool) == (what, tool)]
            took = statistics.median(turn.seconds for turn in mine)
            rows.append(
                (
                    *(what, tool, f"{statistics.median(turn.calls for turn in mine):.0f}", f"{took:.2f}"),
                    *(
                        f"{statistics.median(turn.cpu_s for turn in mine):.2f}",
                        f"{took / own:.1f}",
                        str(resources[tool]),
                    ),
                )
            )
    return rows


class Tool:
    """What both have in common: a command is timed, its children's CPU too, and the calls are counted."""

    name = ""
    resources = 0

    def __init__(self, moto: Moto, folder: Path) -> None:
        self.moto = moto
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL": moto.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PRIMETIME_HOME": str(folder / "home"),  # its state; caches stay where they are
            "CHECKPOINT_DISABLE": "1",
        }

    def command(self, what: str, *words: str, cwd: Path = REPO) -> tuple[Turn, str]:
        """The turn, and what it said."""
        before, spent, began = self.moto.calls(), os.times(), time.monotonic()
        done = subprocess.run(
            bound(words),
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE_S,
        )
        took, now = time.monotonic() - began, os.times()
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise PrimetimeError(f"`{' '.join(words)}` ended with {done.returncode}, so nothing is compared: {said}")
        cpu_s = now.children_user + now.children_system - spent.children_user - spent.children_system
        return Turn(what, self.name, self.moto.calls() - before, took, cpu_s), done.stdout


class Ours(Tool):
    name = "primetime"

    def __init__(self, moto: Moto, folder: Path, topology: str) -> None:
        super().__init__(moto, folder)
        self.topology = topology
        self._verb("bundle", "up", "--yes", "--during-show")  # what is built once for all is built, and not measured

    def turn(self, plans: int) -> Iterator[Turn]:
        up, said = self._verb("from nothing", "up", "--yes", "--during-show", "--json")
        self.resources = json.loads(said.splitlines()[-1])["changed"]
        yield up
        for _ in range(plans):
            plan, said = self._verb("unchanged", "plan")
            if said.splitlines()[-1] != "no changes":
                raise PrimetimeError(f"plan finds changes right after up, so nothing is compared: {said[-500:]}")
            yield plan
        yield self._verb("removed", "down", "--yes")[0]

    def _verb(self, what: str, verb: str, *words: str) -> tuple[Turn, str]:
        return self.command(what, PRIMETIME, verb, "-t", self.topology, *words)


class Terraform(Tool):
    name = "terraform"

    def __init__(self, moto: Moto, folder: Path, topology: str, providers: str | None) -> None:
        super().__init__(moto, folder)
        self.folder = folder / "terraform"
        self.folder.mkdir()
        template = self.command("export", PRIMETIME, "export", "cloudformation", "-t", topology)[1]
        wanted = configuration(json.loads(template), REGION, moto.url)
        self.resources = sum(len(each) for each in wanted["resource"].values())
        (self.folder / "main.tf.json").write_text(json.dumps(wanted))
        self._verb("init", "init", *([f"-plugin-dir={Path(providers).resolve()}"] if providers else []))

    def turn(self, plans: int) -> Iterator[Turn]:
        (self.folder / "terraform.tfstate").unlink(missing_ok=True)
        yield self._verb("from nothing", "apply", "-auto-approve")[0]
        for _ in range(plans):
            yield self._verb("unchanged", "plan", "-detailed-exitcode")[0]  # ends with 2 when it finds changes
        yield self._verb("removed", "destroy", "-auto-approve")[0]

    def _verb(self, what: str, verb: str, *words: str) -> tuple[Turn, str]:
        return self.command(what, "terraform", verb, "-input=false", "-no-color", *words, cwd=self.folder)


@contextlib.contextmanager
def _moto(folder: Path) -> Iterator[Moto]:
    port = free_port()
    moto = Moto(folder, port)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with moto.log.open("w") as log:
        process = subprocess.Popen(bound(command), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
    try:
        deadline = time.monotonic() + 60
        while not moto.is_up():
            if process.poll() is not None or time.monotonic() > deadline:
                raise PrimetimeError(f"moto does not answer, so nothing is measured: {moto.log.read_text()[-1000:]}")
            time.sleep(0.05)
        yield moto
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
