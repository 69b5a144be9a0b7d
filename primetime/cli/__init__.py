"""The command line: one file per verb, each with `add(parser)` and `run(arguments, console) -> exit code`."""

from __future__ import annotations

import argparse
import difflib
import re
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import NoReturn

from primetime import children, space
from primetime.console import Console
from primetime.errors import PrimetimeError

VERBS = {
    "demo": "everything: machines, converge, verify, a rehearsal, where to look",
    "doctor": "what this machine lacks, and the command that mends it",
    "up": "make the machines of a topology",
    "plan": "what up would change",
    "converge": "roles onto hosts",
    "verify": "prove every promise of every role on the live hosts",
    "status": "what is running, and where",
    "ssh": "onto a host, or one command there",
    "secret": "set, list and rotate what no output shows",
    "scale": "a group's number by hand",
    "roll": "replace machines one by one after a change of what they are made of, on EC2",
    "spool": "spools whose machines are gone, on EC2; take one over by hand",
    "down": "remove all of it, and prove it",
    "export": "the same cluster for other tools: a CloudFormation template",
    "rehearse": "a burst of numbered updates, then the certificate",
    "ledger": "is anything missing; dead letters and live counts",
    "events": "stored events of a show by position, as JSON lines",
    "stage": "the live page: numbers that move, and moments to show",
    "show": "what a show needs: machines for a crowd",
    "validate": "each role by itself on fresh hosts of each distribution",
    "test": "the suite",
    "bench": "side-by-side measurements",
}


def main() -> NoReturn:
    arguments = _parser(sys.argv[1:]).parse_args()
    console = Console(as_json=getattr(arguments, "json", False))
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _terminate)
        sys.exit(import_module(f"primetime.cli.{arguments.verb}").run(arguments, console))
    except PrimetimeError as error:
        console.complain(f"primetime: {error}")
        if hint := space.hint(str(error)):
            console.complain(f"primetime: {hint}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        console.complain("primetime: stopped by Ctrl-C; the same command goes on from here, `down` removes all")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nobody is left to tell
        sys.exit(1)
    except OSError as error:
        if not space.is_meant(error):
            raise
        name = f"{error.filename}: " if error.filename else ""
        console.complain(f"primetime: {name}{error.strerror}: {space.sentence()}")
        sys.exit(1)


def _terminate(signum: int, frame: FrameType | None) -> None:
    children.interrupt()  # kill names one process; Ctrl-C reaches all of them
    raise KeyboardInterrupt


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """The parser for one command line: only the verb in use is imported, so that each starts quickly."""
    verb = next((word for word in words if word in VERBS), None)
    parser = Parser(
        prog="primetime", description="Provision, scale and verify the cluster that takes a prime-time burst."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, does in VERBS.items():
        sub = verbs.add_parser(name, help=does, description=does[0].upper() + does[1:] + ".")
        if name == verb:
            import_module(f"primetime.cli.{name}").add(sub)
    return parser


class Parser(argparse.ArgumentParser):
    """Says in a sentence what is wrong with a command line, and where to read more: exit code 2."""

    def error(self, message: str) -> NoReturn:
        word = re.search(r"argument VERB: invalid choice: '([^']*)'", message)
        if word:
            close = difflib.get_close_matches(word[1], VERBS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(VERBS)}"
            message = f"there is no verb {word[1]}: {hint}"
        self.exit(2, f"primetime: {message} (bin/{self.prog} --help lists what there is)\n")


def add_topology(parser: argparse.ArgumentParser, *, of_action: bool = False) -> None:
    """-t/--topology and --json, which nearly every verb has; an action of a verb leaves what the verb was given."""
    topology, as_json = (argparse.SUPPRESS, argparse.SUPPRESS) if of_action else ("demo", False)
    parser.add_argument("-t", "--topology", default=topology, help="a name in inventories/, or a path (default: demo)")
    parser.add_argument(
        "--json", action="store_true", default=as_json, help="end standard output with one JSON object on one line"
    )


def add_provider(parser: argparse.ArgumentParser) -> None:
    """--provider, of verbs that make machines; the others find them where they are."""
    parser.add_argument(
        "--provider",
        metavar="PROVIDER",
        help="make the machines by another provider than the topology says: vagrant:lxc, vagrant:virtualbox, "
        "vagrant:vmware_desktop, vagrant:libvirt, nspawn; remembered until down",
    )
