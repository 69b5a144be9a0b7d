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
        said = f":\n    {self.said}".replace("\n", "\n    ") if self.said else ""
        return f"{self.host}: {self.operation} failed{said}"


@dataclass(frozen=True)
class ConvergeReport:
    """`changed` counts operations that changed something (dry: that would); `changes` are (host, operation)."""

    changed: int
    operations: int
    changes: tuple[tuple[str, str], ...]
    failures: tuple[Failure, ...]
