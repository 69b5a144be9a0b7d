"""What of a long list runs in `test`: a few, other ones with each commit, so that all of it has its turn."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from primetime.paths import REPO

T = TypeVar("T")

drawn: list[str] = []  # sentences, which pytest's header of this run prints


@cache
def commit() -> str:
    """The commit that is checked out; the same for every run where there is no git."""
    done = subprocess.run(["git", "-C", str(REPO), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "none"


def rotating(what: str, items: Sequence[T], number: int) -> list[T]:
    """`number` of `items`, drawn by the commit; `what` names them in the plural."""
    chosen = random.Random(f"{what} {commit()}").sample(items, number)
    drawn.append(f"{what}, {number} of {len(items)} by commit {commit()}: {'; '.join(map(str, chosen))}")
    return chosen
