"""What a converge did, or would do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """One operation that failed on one host; `said` is the end of its output."""

    host: str
    operation: str
    said: str

    def __str__(self) -> str:
        said = "".join(f"\n    {line}" for line in self.said.splitlines())
        return f"{self.host}: {self.operation} failed{':' if said else ''}{said}"


@dataclass(frozen=True)
class NotTried:
    """A role (or one operation of it) that was left out on a host because of a failure elsewhere."""

    host: str
    role: str
    because: str

    def __str__(self) -> str:
        return f"not tried: {self.role} on {self.host}, because {self.because}"


@dataclass(frozen=True)
class ConvergeReport:
    """`changed` counts operations that changed something (dry: that would); `changes` are (host, operation)."""

    changed: int
    operations: int
    changes: tuple[tuple[str, str], ...]
    failures: tuple[Failure, ...]
    not_tried: tuple[NotTried, ...] = ()

    def complaint(self) -> str:
        """What failed, what was not tried because of that, and the next step; empty when nothing failed."""
        if not self.failures:
            return ""
        lines = [*map(str, self.failures), *map(str, self.not_tried)]
        return "\n".join([*lines, "mend this, then run the same again: it goes on from here"])
