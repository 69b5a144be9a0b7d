"""A secret's value on its way from the store to a host: whoever prints it prints its name."""

from __future__ import annotations

import hashlib


class Value:
    """`text` is the value itself. Formatting it gives `<secret NAME>`, in a template, a log line or a traceback."""

    __slots__ = ("name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text

    @property
    def sha256(self) -> str:
        """Of the text, in hex: what Redis keeps in place of a password."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"<secret {self.name}>"
