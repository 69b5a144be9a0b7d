"""What must outlive a stage that is killed: its token, so that open pages find it again, what a moment broke, and which
promises were kept.

`<PRIMETIME_HOME>/stage/<topology>.json`, for its owner alone; removed when a stage ends as it should.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from primetime.drivers.nspawn import lock
from primetime.errors import PrimetimeError
from primetime.paths import home

Proved = tuple[dict[str, tuple[str, ...]], int]  # node → its promises that are not kept; when that was proved
Broken = tuple[str, str]  # what to do about it ("start", "plug", "empty", "remove"), and the node


@contextlib.contextmanager
def alone(topology: str) -> Iterator[None]:
    """One stage of a topology at a time: another would mend what this one is just breaking. PrimetimeError then."""
    with lock.held(_lock(topology), f"stage -t {topology}"):
        yield
    with contextlib.suppress(OSError):  # others keep something there
        _lock(topology).parent.rmdir()


def holder(topology: str) -> str | None:
    """Which process serves a topology's stage, and since when; None when none does."""
    return lock.holder(_lock(topology))


def discard(topology: str) -> None:
    """Forget what a stage that was killed has left, unless another one runs: its machines are gone."""
    if _file(topology).exists() or _lock(topology).exists():
        with contextlib.suppress(PrimetimeError), alone(topology):
            Kept(topology).forget()


class Kept:
    """One stage's file."""

    def __init__(self, topology: str) -> None:
        self._path = _file(topology)
        self._lock = threading.Lock()
        found = self._read()
        self.token: str = found.get("token") or secrets.token_urlsafe(18)
        self.broken: list[Broken] = [(str(mend), str(node)) for mend, node in found.get("broken", [])]
        proved, at_ms = found.get("proved", ({}, 0))
        self.proved: Proved = {node: tuple(broken) for node, broken in proved.items()}, int(at_ms)
        self._write()

    @staticmethod
    def token_of(topology: str) -> str:
        """The token of a stage that runs."""
        return str(json.loads(_file(topology).read_text())["token"])

    @staticmethod
    def proved_of(topology: str) -> Proved:
        """What was proved by a stage that runs, or was killed."""
        path = _file(topology)
        return Kept(topology).proved if path.exists() else ({}, 0)

    def add(self, broken: Broken) -> None:
        """Before it is broken."""
        with self._lock:
            self.broken.append(broken)
            self._write()

    def remove(self, broken: Broken) -> None:
        """After it is mended."""
        with self._lock:
            if broken in self.broken:
                self.broken.remove(broken)
                self._write()

    def prove(self, proved: Mapping[str, tuple[str, ...]], at_ms: int) -> None:
        """These are the promises of each node that are not kept, and no more is known."""
        with self._lock:
            self.proved = dict(proved), at_ms
            self._write()

    def forget(self) -> None:
        """The stage ends and nothing is broken."""
        with self._lock:
            self._path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others keep something there
                self._path.parent.rmdir()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"token": self.token, "broken": self.broken, "proved": self.proved}, file)
        new.replace(self._path)


def _file(topology: str) -> Path:
    return home() / "stage" / f"{topology}.json"


def _lock(topology: str) -> Path:
    return home() / "stage" / f"{topology}.lock"
