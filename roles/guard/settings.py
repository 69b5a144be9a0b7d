"""Guard: it has no knobs, and opens no port."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Guard:
    """Protects an instance from scaling in while its spool is not shipped in time, and drains it when it has to go."""

    group: ClassVar[str] = "guard"
    services: ClassVar[tuple[str, ...]] = ("primetime-guard",)
    needs: ClassVar[tuple[str, ...]] = ("collector", "shipper")


SETTINGS = (Guard,)
