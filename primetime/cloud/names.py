"""Where a topology's things are that have no tags: paths of roles and parameters, a bucket, the objects in it."""

from __future__ import annotations

import hashlib

from primetime.drivers.identity import Account

SIGNING, SSH = "up/signing", "up/ssh"  # parameters that no machine may read: keys of whoever calls `up`
BUNDLES, FILES, HOSTS = "bundles", "files", "hosts"  # what the bucket has
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"  # of a bundle; the signature is put last


def parameters(topology: str) -> str:
    """The path that a topology's secrets are under."""
    return f"/primetime/{topology}/"


def roles(region: str, topology: str) -> str:
    """The path that its machines' roles are under: IAM has no regions."""
    return f"/primetime/{region}/{topology}/"


def role(region: str, topology: str, group: str) -> str:
    """Of a group's machines: the role, and its instance profile. IAM takes 64 characters."""
    digest = hashlib.sha256(f"{region}/{topology}/{group}".encode()).hexdigest()[:8]
    return f"primetime-{topology[:20]}-{group[:20]}-{digest}"


def bucket(topology: str, region: str, account: Account) -> str:
    """Every bucket of the world has a name of its own: this account's number decides, and region and topology."""
    digest = hashlib.sha256(f"{account.number}/{region}/{topology}".encode()).hexdigest()[:12]
    return f"primetime-{topology}-{digest}"


def host_key(group: str, instance: str) -> str:
    """The object that a machine puts its ssh host key into."""
    return f"{HOSTS}/{group}/{instance}/ssh_host_key.pub"


def log(group: str, instance: str) -> str:
    """The object that a machine puts the log of its own configuration into."""
    return f"{HOSTS}/{group}/{instance}/configure.log"
