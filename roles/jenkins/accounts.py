"""Who may do what in Jenkins."""

from __future__ import annotations

# Account → what it may do, in the words of the matrix. Nobody else may do anything.
MATRIX: dict[str, tuple[str, ...]] = {
    "admin": ("Overall/Administer",),
    "ops": (
        *("Overall/Read", "View/Read", "Job/Read", "Job/Discover", "Job/Build", "Job/Cancel", "Job/Workspace"),
        *("Run/Replay", "Agent/Connect"),
    ),
    "viewer": ("Overall/Read", "View/Read", "Job/Read", "Job/Discover"),
}
