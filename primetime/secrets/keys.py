"""The key of a topology's secrets: a file in PRIMETIME_HOME, or the environment's PRIMETIME_SECRET_KEY (for CI).

Never in the repository. A file may hold two keys while one replaces the other: the first encrypts, both decrypt.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from primetime.drivers.nspawn.state import write_text
from primetime.errors import PrimetimeError

VARIABLE = "PRIMETIME_SECRET_KEY"


@dataclass(frozen=True)
class Key:
    """Where the key of one topology's secrets is kept."""

    file: Path

    def read(self) -> list[str]:
        """The keys, the one in use first. PrimetimeError when there is none."""
        found = os.environ.get(VARIABLE, "").split() or self._lines()
        if not found:
            raise PrimetimeError(
                f"The key of these secrets is not at {self.file}: put it back there, or into {VARIABLE}; "
                "without it they are lost"
            )
        return found

    def make(self) -> None:
        """A new key where there is none yet."""
        if not os.environ.get(VARIABLE) and not self._lines():
            self.write([new()])

    def write(self, lines: list[str]) -> None:
        """Replace the file as a whole, readable by its owner alone."""
        if os.environ.get(VARIABLE):
            raise PrimetimeError(f"The key comes from {VARIABLE}: unset it to work with the key in {self.file}")
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(self.file, "".join(f"{line}\n" for line in lines), mode=0o600)

    def _lines(self) -> list[str]:
        try:
            return self.file.read_text().split()
        except FileNotFoundError:
            return []


def new() -> str:
    """A key for Fernet: 32 random bytes in URL-safe base64."""
    from cryptography.fernet import Fernet  # imported late: most verbs need none, and it takes a moment

    return Fernet.generate_key().decode()
