"""A moto server on loopback: the AWS endpoint of tests, which checks signatures when asked to."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from moto.core.responses import BaseResponse
from moto.iam.exceptions import NotFoundException
from moto.iam.models import IAMBackend
from moto.server import ThreadedMotoServer

from tests.aws_model import document_problems, request_problems, understands
from tests.aws_wire import query_error

REGION = "eu-central-1"


@dataclass(frozen=True)
class Moto:
    """One that runs. `url` is what AWS_ENDPOINT_URL takes."""

    url: str

    def reset(self) -> None:
        """Forget everything."""
        self._post("reset", b"")

    def check_signatures(self, after: int) -> None:
        """From the call after so many on, each must be signed by a user that IAM knows, and allowed to it."""
        self._post("reset-auth", str(after).encode())

    def _post(self, what: str, body: bytes) -> None:
        request = urllib.request.Request(
            f"{self.url}/moto-api/{what}", data=body, headers={"Content-Type": "text/plain"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["status"] == "ok"

    def environment(self, key: str = "test", secret: str = "test") -> dict[str, str]:
        """What a command needs to use it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def _remove_role(backend: IAMBackend, profile_name: str, role_name: str) -> None:
    """moto fails (HTTP 500) where the role has left the profile, as after an answer that nobody heard; AWS says so."""
    profile, role = backend.get_instance_profile(profile_name), backend.get_role(role_name)
    if role not in profile.roles:
        raise NotFoundException(f"Instance profile {profile_name} does not have role {role_name}")
    profile.roles.remove(role)


def _understood(answering: BaseResponse) -> Any:
    """What AWS would refuse is refused here: moto overlooks parameters that it does not know, or that are missing."""
    asked = {name: value[0] for name, value in answering.querystring.items()}
    service, target = answering.service_name, answering.headers.get("X-Amz-Target", "")
    problems: list[str] = []
    if target and understands(service):
        problems = document_problems(service, target.rpartition(".")[2], json.loads(answering.body))
    elif "Action" in asked and understands(service):
        problems = request_problems(service, asked)
    if problems:
        return 400, {}, query_error("ValidationError", f"as AWS publishes it: {problems}")
    return _answered(answering)


_answered = BaseResponse.call_action


@contextmanager
def running(address: str = "127.0.0.1", port: int = 0) -> Iterator[Moto]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each call otherwise
    server = ThreadedMotoServer(ip_address=address, port=port, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with (
            mock.patch.object(IAMBackend, "remove_role_from_instance_profile", _remove_role),
            mock.patch.object(BaseResponse, "call_action", _understood),
        ):
            yield Moto(f"http://{host}:{port}")
    finally:
        server.stop()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    with running() as server:
        yield server


@pytest.fixture
def moto(moto_server: Moto, monkeypatch: pytest.MonkeyPatch) -> Moto:
    """An empty one, which the environment points to."""
    moto_server.reset()
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    return moto_server
