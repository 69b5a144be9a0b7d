"""Who may do what in Jenkins, and what it keeps of their passwords."""

from __future__ import annotations

import base64
import hmac
import string

import bcrypt

# Account → what it may do, in the words of the matrix. Nobody else may do anything.
MATRIX: dict[str, tuple[str, ...]] = {
    "admin": ("Overall/Administer",),
    "ops": (
        *("Overall/Read", "View/Read", "Job/Read", "Job/Discover", "Job/Build", "Job/Cancel", "Job/Workspace"),
        *("Run/Replay", "Agent/Connect"),
    ),
    "viewer": ("Overall/Read", "View/Read", "Job/Read", "Job/Discover"),
}
COST = 10  # what Jenkins itself takes: some 50 ms a login
_STANDARD = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_BCRYPT = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits


def hashed(password: str, user: str, salt: str) -> str:
    """The bcrypt hash of a password as Jenkins reads it, the same each time: a converge that changes nothing must write
    the same. `salt` is a secret of the topology's, so that nobody elsewhere has the same hash for the same password."""
    own = base64.b64encode(hmac.digest(salt.encode(), user.encode(), "sha256")[:16]).decode()[:22]
    prefix = f"$2a${COST}${own.translate(str.maketrans(_STANDARD, _BCRYPT))}"
    return bcrypt.hashpw(password.encode(), prefix.encode()).decode()
