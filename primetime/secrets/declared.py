"""What a role says of a secret that it needs. Data: `roles/<role>/settings.py` imports this module."""

from __future__ import annotations

import secrets
from dataclasses import dataclass


@dataclass(frozen=True)
class Secret:
    """A value that reaches hosts and is shown nowhere.

    `name` begins with its owner's group (`redis_shipper`); `purpose` says what it is for; `rotation` what a converge
    does with a new value, and who restarts. `random_bytes` go into a value that is made here; 0: it comes from
    elsewhere, so only `secret set` can give it. `readers` are the groups that work with it beside its owner. `when`
    names a setting of its owner that is false or empty where nobody needs it.
    """

    name: str
    purpose: str
    rotation: str
    random_bytes: int = 32
    readers: tuple[str, ...] = ()
    when: str = ""

    def make(self) -> str:
        """A new value: letters, digits, `-` and `_`."""
        return secrets.token_urlsafe(self.random_bytes)
