"""What a host keeps of a password that people log in with. Called by the roles whose pages ask for one."""

from __future__ import annotations

import base64
import hmac
import string

import bcrypt

COST = 10  # what Jenkins itself takes: some 50 ms a login
_STANDARD = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_BCRYPT = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits


def hashed(password: str, user: str, salt: str) -> str:
    """The bcrypt hash of a password, as Jenkins and crypt(3) read it, the same each time: a converge that changes
    nothing must write the same. `salt` is a secret of the topology's, so that nobody elsewhere has the same hash for
    the same password."""
    own = base64.b64encode(hmac.digest(salt.encode(), user.encode(), "sha256")[:16]).decode()[:22]
    prefix = f"$2a${COST}${own.translate(str.maketrans(_STANDARD, _BCRYPT))}"
    return bcrypt.hashpw(password.encode(), prefix.encode()).decode()
