"""Looks for values that no output, file, process or commit may have, in every form in which they could leak."""

from __future__ import annotations

import base64
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path

from primetime.paths import REPO, STATE
from tests.conftest import Bench

# where values belong, on hosts only: Redis has hashes, and its shipper the one file
PLACES = ("/etc/primetime/shipper/redis.password",)


def forms(value: str) -> list[bytes]:
    """A value as it is, in hex, and in base64 at each of the three places it can have in a longer text."""
    plain = value.encode()
    found = [plain, plain.hex().encode(), plain.hex().upper().encode()]
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + plain)
        # the first and the last characters carry bits of the neighbours
        middle = coded[(before * 8 + 5) // 6 : len(coded) - (4 if (before + len(plain)) % 3 else 0)]
        found += [middle, middle.replace(b"+", b"-").replace(b"/", b"_")]
    return list(dict.fromkeys(found))


class Search:
    """Searches for `values`; each method returns the places of its hits."""

    def __init__(self, values: Iterable[str]) -> None:
        self._forms = [form for value in values for form in forms(value)]

    def text(self, where: str, *texts: str | bytes) -> list[str]:
        joined = b"\n".join(text.encode() if isinstance(text, str) else text for text in texts)
        return [where] if any(form in joined for form in self._forms) else []

    def files(self, *paths: Path) -> list[str]:
        """In files and folders here."""
        words = [str(path) for path in paths if path.exists()]
        return self._grep(["grep", "-rlaF", "-D", "skip", "-f", "-", *words]) if words else []

    def state(self, topology: str) -> list[str]:
        """In what is kept here of a topology's machines: all that was ever written on their disks, journals too."""
        top = STATE / topology
        kept = [path for path in top.iterdir() if path.name != "nodes"]
        kept += [path for path in top.glob("nodes/*/*") if path.name not in ("root", "work")]
        return self.files(*kept)

    def host(self, bench: Bench, node: str) -> list[str]:
        """In a host's journal, and in the files that are only in its memory."""
        command = [str(REPO / "bin" / "primetime"), "ssh", "-t", str(bench.topology), node, "--"]
        grep = ["grep", "-rlaF", "-D", "skip", "-f", "-", "/run", "/tmp", "/dev/shm"]
        journal = bench.ssh(node, "journalctl", "-a", "--no-pager", "-o", "verbose")
        return self.text(f"{node}: journal", journal) + [f"{node}: {hit}" for hit in self._grep([*command, *grep])]

    def repository(self) -> list[str]:
        """In the work tree and in every object of git."""
        hits = self.files(*(path for path in REPO.iterdir() if path.name != ".git"))
        objects = ["git", "-C", str(REPO), "cat-file", "--batch-all-objects", "--batch"]
        return hits + self.text("git's objects", subprocess.run(objects, capture_output=True).stdout)

    def _grep(self, command: list[str]) -> list[str]:
        done = subprocess.run(command, input=b"\n".join(self._forms) + b"\n", capture_output=True)
        found = done.stdout.decode(errors="replace").splitlines()
        assert done.returncode in (0, 1, 2), done.stderr  # 2: a file went away meanwhile
        return [path for path in found if not path.endswith(PLACES)]


class Processes:
    """Keeps looking at every process's arguments and environment, here and on local hosts, whose processes are here."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        known: set[tuple[str, bytes]] = set()
        while not self._end.wait(0.02):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    command = (folder / "cmdline").read_bytes()
                    if (folder.name, command) not in known:
                        known.add((folder.name, command))
                        self.seen |= {command, (folder / "environ").read_bytes()}
                except OSError:
                    continue  # it has ended
