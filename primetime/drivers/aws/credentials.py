"""Whose calls these are: from the environment, a profile's file, or the role of the instance (IMDSv2), refreshed.

Called by connection before each call. Nothing here is ever printed but where credentials came from.
"""

from __future__ import annotations

import configparser
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from primetime.drivers.aws.metadata import Metadata, NoMetadata
from primetime.errors import PrimetimeError, UsageError

_REFRESH_S = 300.0  # before they expire; a role's new ones are there 5 minutes ahead


@dataclass(frozen=True)
class Credentials:
    """An access key, its secret, and the session's token when they are temporary."""

    access_key: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires: float | None = None  # epoch seconds
    source: str = "the caller"


class CredentialSource:
    """Credentials that stay good: `current()` reads a role's again before they expire."""

    def __init__(self, read: Callable[[], Credentials], clock: Callable[[], float] = time.time) -> None:
        self._read, self._clock = read, clock
        self._held: Credentials | None = None

    def current(self) -> Credentials:
        held = self._held
        if held is None or (held.expires is not None and held.expires - self._clock() < _REFRESH_S):
            self._held = held = self._renewed(held)
        return held

    def _renewed(self, held: Credentials | None) -> Credentials:
        try:
            return self._read()
        except PrimetimeError:
            if held and held.expires and held.expires > self._clock():
                return held  # still good: the next call tries again
            raise


def find(environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.time) -> CredentialSource:
    """The first of environment, profile and instance role that has any; PrimetimeError names all that were tried."""
    found = _from_environment(environ) or _from_files(environ)
    if found:
        return fixed(found)
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise PrimetimeError(f"{_NONE}. The instance's role was not asked (AWS_EC2_METADATA_DISABLED is true)")
    metadata = Metadata(environ)
    source = CredentialSource(lambda: from_role(metadata), clock)
    try:
        source.current()
    except NoRole as error:
        raise PrimetimeError(f"{_NONE}. The instance's role: {error}") from error
    return source


def fixed(credentials: Credentials) -> CredentialSource:
    """A source that always gives the same."""
    return CredentialSource(lambda: credentials)


_NONE = (
    "No AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with ~/.aws/credentials, "
    "or give this instance a role"
)


class NoRole(PrimetimeError):
    """The metadata service does not answer, or knows no role."""


def _from_environment(environ: Mapping[str, str]) -> Credentials | None:
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        lacking = "AWS_SECRET_ACCESS_KEY" if key else "AWS_ACCESS_KEY_ID"
        raise UsageError(f"{lacking} is not set, and its other half is: set both, or neither")
    if not key or not secret:
        return None
    return Credentials(key, secret, environ.get("AWS_SESSION_TOKEN") or None, source="the environment")


def _from_files(environ: Mapping[str, str]) -> Credentials | None:
    """A profile's keys; None when there is no such file and no profile was asked for."""
    name = environ.get("AWS_PROFILE") or "default"
    folder = Path(environ.get("HOME", "~")).expanduser() / ".aws"
    places = {
        Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials").expanduser(): name,
        Path(environ.get("AWS_CONFIG_FILE") or folder / "config").expanduser(): (
            name if name == "default" else f"profile {name}"
        ),
    }
    for path, section in places.items():
        values = _section(path, section)
        if "aws_access_key_id" in values and "aws_secret_access_key" in values:
            return Credentials(
                values["aws_access_key_id"],
                values["aws_secret_access_key"],
                values.get("aws_session_token"),
                source=f"profile {name} of {path}",
            )
    if environ.get("AWS_PROFILE"):
        looked = " and ".join(str(path) for path in places)
        raise UsageError(f"profile {name} has no keys: looked in {looked} for aws_access_key_id, aws_secret_access_key")
    return None


def _section(path: Path, section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise UsageError(f"{path} cannot be read: {str(error).splitlines()[0]}: mend it") from error
    return dict(parser[section]) if section in parser else {}


def from_role(metadata: Metadata) -> Credentials:
    """The role's credentials as this machine is told them. NoRole when it has none to give."""
    path = "iam/security-credentials/"
    try:
        role = (metadata.get(path) or "").partition("\n")[0].strip()
        if not role:
            raise NoRole(f"{metadata.service} knows no role: attach an instance profile")
        found = json.loads(metadata.get(path + role) or "")
        expires = datetime.fromisoformat(found["Expiration"].replace("Z", "+00:00")).timestamp()
        return Credentials(
            found["AccessKeyId"], found["SecretAccessKey"], found["Token"], expires, f"this instance's role {role}"
        )
    except NoMetadata as error:
        raise NoRole(str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise NoRole(f"{metadata.service} gave no credentials for role {role}: see its trust policy") from error
