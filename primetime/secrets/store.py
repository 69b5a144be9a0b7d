"""A topology's secrets file: YAML, a line for each, its name and date in clear, its value encrypted by Fernet.

So a change can be reviewed, and says who changed but not into what. A value is bound to its name: a line that was
given another's ciphertext is refused. Called by primetime.secrets.topology.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from primetime.drivers.nspawn import lock
from primetime.drivers.nspawn.state import write_text
from primetime.errors import PrimetimeError
from primetime.secrets import keys
from primetime.secrets.keys import Key
from primetime.secrets.value import Value

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

HEAD = "# Secrets of a topology: names and dates in clear, values encrypted. bin/primetime secret set|list|rotate\n"
LOCK_TIMEOUT_S = 10


@dataclass(frozen=True)
class Entry:
    """One line: when the value was set (UTC, ISO 8601), and what encryption made of it."""

    since: str
    token: str


@dataclass(frozen=True)
class Store:
    """The file and its key. Every change is whole, and none is lost when two commands change at once."""

    file: Path
    key: Key

    def entries(self) -> dict[str, Entry]:
        """What is set, by name; empty when there is no file yet. PrimetimeError when it cannot be read as one."""
        try:
            lines = yaml.safe_load(self.file.read_text()) or {}
            return {str(name): Entry(str(line["set"]), str(line["value"])) for name, line in lines.items()}
        except FileNotFoundError:
            return {}
        except (yaml.YAMLError, AttributeError, TypeError, KeyError):  # no `from`: YAML's words quote the file
            raise PrimetimeError(
                f"{self.file}: not a secrets file: restore it, or remove it and set all anew"
            ) from None

    def get(self, name: str) -> Value | None:
        """The value of one secret; None when it is not set. PrimetimeError when the key does not fit."""
        entry = self.entries().get(name)
        return Value(name, self._decrypt(name, entry)) if entry else None

    def since(self, name: str) -> datetime | None:
        """When the value of one secret was set; None when it is not."""
        entry = self.entries().get(name)
        return datetime.fromisoformat(entry.since) if entry else None

    def set(self, values: Mapping[str, str], *, replace: bool = True) -> list[str]:
        """Encrypt and keep values; without `replace`, only those that are not set yet. Returns the names changed."""
        with self._changing():
            found = self.entries()
            if found:
                self._check(found)  # never a file of values under two keys
            else:
                self.key.make()
            names = [name for name in values if replace or name not in found]
            now = datetime.now(UTC).isoformat(timespec="seconds")
            cipher = self._cipher()
            new = {name: Entry(now, cipher.encrypt(_bound(name, values[name])).decode()) for name in names}
            if new:
                self._write({**found, **new})
            return names

    def change_key(self) -> str:
        """Encrypt everything under a new key, and say where that is.

        Cut short at any moment, what is on disk can be read.
        """
        with self._changing():
            found = self.entries()
            old = self.key.read()
            self._check(found)
            new = keys.new()
            self.key.write([new, *old])
            cipher = self._cipher()
            self._write(
                {name: Entry(line.since, cipher.rotate(line.token.encode()).decode()) for name, line in found.items()}
            )
            self.key.write([new])
        return f"{self.file} is encrypted with the new key in {self.key.file}"

    def remove(self) -> None:
        """The file and its key, for good."""
        for path in (self.file, self.key.file, self.key.file.parent / f"{self.file.name}.lock"):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        folder = self.key.file.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock.held(folder / f"{self.file.name}.lock", f"changing {self.file}", LOCK_TIMEOUT_S):
            yield

    def _write(self, entries: Mapping[str, Entry]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lines = [f"{name}: {{set: '{line.since}', value: {line.token}}}\n" for name, line in sorted(entries.items())]
        write_text(self.file, HEAD + "".join(lines), mode=0o600)

    def _check(self, entries: Mapping[str, Entry]) -> None:
        for name, entry in entries.items():
            self._decrypt(name, entry)

    def _decrypt(self, name: str, entry: Entry) -> str:
        from cryptography.fernet import InvalidToken

        try:
            bound, _, text = self._cipher().decrypt(entry.token.encode()).decode().partition("=")
        except InvalidToken:
            raise PrimetimeError(
                f"{self.file}: {name} cannot be decrypted: {self.key.file} (or {keys.VARIABLE}) is another key than "
                "it was encrypted with: put the right one there"
            ) from None
        if bound != name:
            raise PrimetimeError(f"{self.file}: the line of {name} carries the value of {bound}: set {name} anew")
        return text

    def _cipher(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet

        try:
            return MultiFernet([Fernet(key) for key in self.key.read()])
        except ValueError:  # its words may quote the key
            raise PrimetimeError(
                f"{self.key.file} (or {keys.VARIABLE}) is no key: put the right one there: 44 characters of base64"
            ) from None


def _bound(name: str, text: str) -> bytes:
    return f"{name}={text}".encode()
