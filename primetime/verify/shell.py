"""Hosts as testinfra sees them, through shells that stay open: a command takes a millisecond or two, not the 40 of a
new ssh. Called by primetime.verify.run.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from queue import LifoQueue
from typing import Any

import testinfra.host
from testinfra.backend.base import BaseBackend, CommandResult

SHELLS = 3  # at once on a host; its sshd allows 10 sessions on one connection
COMMAND_S = 20  # a command that takes longer has hung, with whatever it asked


def ssh(node: str, config: str, command: str, *words: str) -> list[str]:
    """The argument list that runs a shell's `command`, with `words` quoted after it, on a node; without a way, here."""
    if not config:
        return ["sh", "-c", f"{command} {shlex.join(words)}".strip()]
    return ["ssh", "-F", config, node, "--", f"{command} {shlex.join(words)}".strip()]


class Gone(Exception):
    """A host does not answer ssh (any more)."""


class Shell:
    """One `sh` on a host that runs commands one after the other and frames what they say.

    Standard error goes through a file there, so that one stream can be read without waiting on two.
    """

    def __init__(self, node: str, config: str) -> None:
        self._node = node
        self._mark = f"::{secrets.token_hex(8)}::".encode()
        self._pending = b""
        # not a pipe: a shared connection's master would keep it open
        self._complaint = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            ssh(node, config, "exec sh"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaint
        )
        self._tell(b"umask 077; E=$(mktemp); trap 'rm -f \"$E\"' EXIT; umask 022")
        self.run("true")

    def run(self, command: str) -> tuple[int, bytes, bytes]:
        """(exit code, standard output, standard error) of one command; Gone when the host went down meanwhile."""
        # a shell of its own for each, so that an exit or a cd cannot reach the next one
        self._tell(
            f'timeout {COMMAND_S} sh -c {shlex.quote(command)} </dev/null 2>"$E"; '.encode()
            + b"printf '\\n%s %s\\n' "
            + self._mark
            + b" $?; cat \"$E\"; printf '\\n%s\\n' "
            + self._mark
        )
        out, code = self._until(b"\n" + self._mark + b" "), int(self._until(b"\n"))
        return code, out, self._until(b"\n" + self._mark + b"\n")

    def close(self) -> None:
        """End it: the shell there ends with its input."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.terminate()
        self._process.wait()
        self._complaint.close()

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._gone() from None

    def _until(self, end: bytes) -> bytes:
        assert self._process.stdout is not None
        data, searched = bytearray(self._pending), 0
        while (found := data.find(end, searched)) < 0:
            searched = max(0, len(data) - len(end))
            received = os.read(self._process.stdout.fileno(), 65536)
            if not received:
                raise self._gone()
            data += received
        self._pending = bytes(data[found + len(end) :])
        return bytes(data[:found])

    def _gone(self) -> Gone:
        self._process.wait()
        self._complaint.seek(0)
        said = self._complaint.read().decode(errors="replace").strip().splitlines()
        return Gone(said[-1] if said else f"its connection ended (ssh exit {self._process.returncode})")


class Shells(BaseBackend):  # type: ignore[misc]
    """testinfra's way to one host: a few shells, each made when the others are busy."""

    NAME = "ssh"

    def __init__(self, node: str, config: str) -> None:
        super().__init__(node)
        self._config = config
        self._idle: LifoQueue[Shell | None] = LifoQueue()
        for _ in range(SHELLS):
            self._idle.put(None)

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        line = self.get_command(command, *args)
        with self._one() as shell:
            code, out, err = shell.run(line)
        return self.result(code, line.encode(), out, err)

    @contextmanager
    def _one(self) -> Iterator[Shell]:
        shell = self._idle.get()
        try:
            shell = shell or Shell(self.hostname, self._config)
            yield shell
        except BaseException:
            if shell:
                shell.close()
            shell = None
            raise
        finally:
            self._idle.put(shell)

    def close(self) -> None:
        """End its shells."""
        while not self._idle.empty():
            if shell := self._idle.get():
                shell.close()


def see(node: str, config: str) -> Any:
    """testinfra's view of a host. Raises Gone when it does not answer."""
    backend = Shells(node, config)
    host = testinfra.host.Host(backend)
    backend.set_host(host)
    host.run("true")
    return host


_READ = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=5).read())"


def read(host: Any, url: str) -> str:
    """What a URL answers to the host itself, where this machine may not ask."""
    return str(host.check_output("python3 -c %s %s", _READ, url))
