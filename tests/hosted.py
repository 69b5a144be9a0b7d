"""Programs of ours as they lie on a host: beside the modules of primetime that their roles put there."""

from __future__ import annotations

import shutil
from pathlib import Path

from primetime.paths import REPO


def hosted(folder: Path, program: Path, *modules: str) -> Path:
    """A copy of `program` in `folder`, beside these modules of primetime."""
    for module in modules:
        shutil.copy(REPO / "primetime" / f"{module}.py", folder)
    return Path(shutil.copy(program, folder / program.stem))
