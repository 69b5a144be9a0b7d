"""Lines on disk, in parts: more of them than memory holds, gone through a part at a time. Called by ballots.py and
undecided.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO
from zlib import crc32

from primetime.paths import home

PARTS = 256


class Parts:
    """Files without names, in PRIMETIME_HOME: whatever ends this process, nothing of them is left."""

    def __init__(self) -> None:
        home().mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        self._files = [self._open.enter_context(_nameless()) for _ in range(PARTS)]

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._open.close()

    def keep(self, key: bytes, line: bytes) -> None:
        """`line` has no newline; lines of one key are in one part."""
        self._files[crc32(key) % PARTS].write(line + b"\n")

    def __iter__(self) -> Iterator[Iterator[bytes]]:
        """The lines of each part, in the order in which they came."""
        for file in self._files:
            file.seek(0)
            yield (line[:-1] for line in file)


def _nameless() -> IO[bytes]:
    return TemporaryFile(dir=home())
