"""`secret`: set, list and rotate a topology's secrets. No value is ever shown, or taken from an argument."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import UTC, datetime
from typing import Any

from primetime.cli import add_topology
from primetime.console import Console, table
from primetime.errors import UsageError
from primetime.quantities import age
from primetime.secrets import topology as secrets
from primetime.topology import Topology, load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="names, owners, age, whether set; never values")
    setting = actions.add_parser("set", help="a value, from standard input or asked for without echo")
    setting.add_argument("name", help="as `secret list` prints it")
    rotating = actions.add_parser("rotate", help="new random values, or a new key")
    rotating.add_argument("name", nargs="*", help="as `secret list` prints it")
    rotating.add_argument("--all", action="store_true", help="every secret that can be made here")
    rotating.add_argument("--key", action="store_true", help="encrypt the file with a new key; values stay")
    for action in (listing, setting, rotating):
        add_topology(action, of_action=True)


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    result = {"list": _list, "set": _set, "rotate": _rotate}[arguments.action](topology, arguments, console)
    console.result({"topology": topology.name, "file": str(secrets.store(topology).file), **result})
    return 3 if result.get("missing") else 0


def _list(topology: Topology, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    entries, wanted = secrets.store(topology).entries(), secrets.declared(topology)
    found = []
    for name, (owner, secret) in wanted.items():
        since = entries[name].since if name in entries else None
        found.append({"name": name, "owner": owner, "purpose": secret.purpose, "set": since})
    for name in sorted(entries.keys() - wanted.keys()):
        found.append({"name": name, "owner": None, "purpose": "no role asks for it", "set": entries[name].since})
    rows = [(str(row["name"]), row["owner"] or "-", _age(row["set"]), str(row["purpose"])) for row in found]
    console.say(table(rows, ("name", "owner", "set", "for")))
    return {"secrets": found, "missing": secrets.missing(topology)}


def _age(since: str | None) -> str:
    return f"{age(datetime.now(UTC) - datetime.fromisoformat(since))} ago" if since else "not set"


def _set(topology: Topology, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    name = secrets.known_name(topology, arguments.name)
    text = getpass.getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.read()
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or not text.isprintable():
        raise UsageError(f"{name} was not set: write one line of printable characters to standard input")
    secrets.store(topology).set({name: text})
    return _told(topology, [name], arguments, console, "set")


def _rotate(topology: Topology, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    wanted = secrets.declared(topology)
    given = [secrets.known_name(topology, name) for name in arguments.name]
    names = [name for name in wanted if wanted[name][1].random_bytes] if arguments.all else list(dict.fromkeys(given))
    if not names and not arguments.key:
        raise UsageError("Nothing to rotate: name secrets (`secret list` prints them), or say --all or --key")
    for name in names:
        if not wanted[name][1].random_bytes:
            raise UsageError(f"{name} comes from elsewhere: give its new value with bin/primetime secret set {name}")
    store = secrets.store(topology)
    if arguments.key:
        console.say(f"{store.change_key()}; the old one opens it no more")
    if names:
        store.set({name: wanted[name][1].make() for name in names})
    return {"key": arguments.key, **_told(topology, names, arguments, console, "rotated")}


def _told(
    topology: Topology, names: list[str], arguments: argparse.Namespace, console: Console, done: str
) -> dict[str, Any]:
    """What was done, and what to run next, since hosts still have the old values."""
    wanted = secrets.declared(topology)
    following = f"bin/primetime converge -t {arguments.topology}" if names else None
    for name in names:
        console.say(f"{done} {name}: {wanted[name][1].rotation}")
    if following:
        console.say(f"hosts have the old values until you run: {following}")
    return {done: names, "next": following}
