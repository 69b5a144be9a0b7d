"""What an instance is told about itself (IMDSv2): its id, what its group wants of it. Called by primetime.guard."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping

from primetime.drivers.aws.credentials import METADATA
from primetime.errors import PrimetimeError

_TIMEOUT_S = 2.0
_TOKEN_TTL_S = 60


class NoMetadata(PrimetimeError):
    """The metadata service does not answer, or not as it should."""


class Metadata:
    """The service of this machine, or the one that AWS_EC2_METADATA_SERVICE_ENDPOINT names."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._service = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", METADATA).rstrip("/")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows only itself

    def get(self, path: str) -> str | None:
        """The text under `meta-data/`; None when there is no such thing now. NoMetadata when nobody can say."""
        header = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_TTL_S)}
        token = self._ask("PUT", "api/token", header)
        if token is None:
            raise NoMetadata(f"{self._service} gives no token: allow IMDSv2 (HttpTokens) for this instance")
        return self._ask("GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": token})

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> str | None:
        request = urllib.request.Request(f"{self._service}/latest/{path}", method=method, headers=headers)
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise NoMetadata(
                f"{self._service} answers {error.code} to {path}: see the instance's metadata options"
            ) from error
        except OSError as error:
            raise NoMetadata(f"{self._service} does not answer: {error}: is this an instance of EC2?") from error
