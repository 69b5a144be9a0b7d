"""The certificate that a page shows: given by the secret store, or made by its host and signed by nobody else.

Called by the roles that speak TLS.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.facts.server import Command

from primetime.errors import PrimetimeError
from primetime.secrets.value import Value

RENEWED_S = 30 * 86_400  # before its end a converge makes another one

# Prints `fine` when the file is of its owner and mode, names the host, and lasts for long enough.
_LOOK = """
test "$(stat -c '%U %a' {dest} 2>/dev/null)" = '{user} 400' &&
openssl x509 -in {dest} -noout -checkend {renewed_s} >/dev/null 2>&1 &&
openssl x509 -in {dest} -noout -ext subjectAltName | grep -qxF '    {shown}' && echo fine || true
"""
_MAKE = """
set -e; umask 077; cd "$(mktemp -d)"; trap 'rm -rf "$PWD"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out certificate -days {days} \
    -subj '/CN={name}' -addext 'subjectAltName={names}' -addext basicConstraints=critical,CA:FALSE 2>/dev/null
cat certificate key > both; chown {user}:{user} both; chmod 400 both; mv both {dest}
"""


@operation()
def self_signed(dest: str, user: str, node: str, address: str, days: int) -> Generator[StringCommand]:
    """Have a certificate for the name `node` and `address`, and its key, in one file that is `user`'s alone."""
    place = shlex.quote(dest)
    shown = f"DNS:{node}, IP Address:{address}"
    look = _LOOK.format(dest=place, user=user, renewed_s=RENEWED_S, shown=shown)
    if host.get_fact(Command, command=look):
        host.noop("it names this host and lasts")
        return
    names = f"DNS:{node},IP:{address}"
    yield StringCommand(_MAKE.format(dest=place, user=user, name=node, names=names, days=days))


def given(secret: Value) -> Value:
    """The PEM that the secret has in base64, since a secret is one line; PrimetimeError when it is none."""
    try:
        text = base64.b64decode(secret.text, validate=True).decode()
    except ValueError:
        text = ""
    if "-----BEGIN CERTIFICATE-----" not in text or "PRIVATE KEY-----" not in text:
        raise PrimetimeError(
            f"Secret {secret.name} is no certificate with its key: "
            f"cat chain.pem key.pem | base64 -w0 | bin/primetime secret set {secret.name}"
        )
    return Value(secret.name, text)
