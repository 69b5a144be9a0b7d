"""Whose calls they are: the order of sources, and a role's credentials that are renewed before they expire."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from primetime.drivers.aws.credentials import Credentials, CredentialSource, find
from primetime.errors import PrimetimeError, UsageError

KEYS = {"AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKDEF\naws_secret_access_key = s\n"
        "[show]\naws_access_key_id = AKSHOW\naws_secret_access_key = s\naws_session_token = t\n"
    )
    (tmp_path / ".aws" / "config").write_text("[profile late]\naws_access_key_id = AKLATE\naws_secret_access_key = s\n")
    return tmp_path


@pytest.mark.parametrize(
    ("environ", "key", "token"),
    [
        (KEYS, "AKENV", None),
        ({**KEYS, "AWS_SESSION_TOKEN": "t", "AWS_PROFILE": "show"}, "AKENV", "t"),
        ({}, "AKDEF", None),
        ({"AWS_PROFILE": "show"}, "AKSHOW", "t"),
        ({"AWS_PROFILE": "late"}, "AKLATE", None),
    ],
)
def test_the_environment_goes_before_a_profile(
    environ: dict[str, str], key: str, token: str | None, home: Path
) -> None:
    found = find({"HOME": str(home), **environ}).current()
    assert (found.access_key, found.token) == (key, token)


def test_half_a_key_is_told() -> None:
    with pytest.raises(UsageError, match="AWS_SECRET_ACCESS_KEY is not set"):
        find({"AWS_ACCESS_KEY_ID": "AK"})


def test_a_profile_that_is_not_there_names_where_it_was_looked_for(home: Path) -> None:
    with pytest.raises(UsageError, match=r"profile nope has no keys: looked in .*/\.aws/credentials"):
        find({"HOME": str(home), "AWS_PROFILE": "nope"})


def test_no_credentials_at_all_names_the_ways_to_give_some(tmp_path: Path) -> None:
    with pytest.raises(PrimetimeError, match="No AWS credentials: set AWS_ACCESS_KEY_ID"):
        find({"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"})


def test_credentials_are_never_printed() -> None:
    assert "hush" not in repr(Credentials("hush", "hush", "hush"))


class Metadata(BaseHTTPRequestHandler):
    """IMDSv2: a token first, then a role's credentials, each time others."""

    given: ClassVar[list[float]] = []  # when each one expires, epoch seconds

    def do_PUT(self) -> None:
        self._answer("a-token" if self.headers["X-aws-ec2-metadata-token-ttl-seconds"] else None)

    def do_GET(self) -> None:
        if self.headers["X-aws-ec2-metadata-token"] != "a-token":
            self._answer(None)
        elif self.path.endswith("/security-credentials/"):
            self._answer("collector")
        else:
            expires = datetime.fromtimestamp(self.given.pop(0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            keys = {"AccessKeyId": f"AK{len(self.given)}", "SecretAccessKey": "s", "Token": "t", "Expiration": expires}
            self._answer(json.dumps(keys))

    def _answer(self, text: str | None) -> None:
        self.send_response(200 if text else 401)
        self.end_headers()
        self.wfile.write((text or "").encode())

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def of_role(metadata: str, home: Path, now: list[float]) -> CredentialSource:
    return find({"HOME": str(home / "none"), "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata}, lambda: now[0])


def test_a_role_s_credentials_are_renewed_before_they_expire(metadata: str, tmp_path: Path) -> None:
    now = [1000.0]
    Metadata.given = [now[0] + 3600, now[0] + 7200]
    source = of_role(metadata, tmp_path, now)
    first = source.current()
    now[0] += 3000
    assert source.current() is first
    now[0] += 400
    assert source.current().expires == 1000 + 7200


def test_while_they_are_good_a_silent_metadata_service_is_no_error(metadata: str, tmp_path: Path) -> None:
    now = [1000.0]
    Metadata.given = [now[0] + 3600]
    source = of_role(metadata, tmp_path, now)
    first = source.current()
    Metadata.given = []
    now[0] += 3400
    assert source.current() is first
