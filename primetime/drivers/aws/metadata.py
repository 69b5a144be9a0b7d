"""What an instance is told about itself (IMDSv2): its role's credentials, its id, what its group wants of it.

Called by credentials and primetime.guard.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping

from primetime.errors import PrimetimeError

METADATA = "http://169.254.169.254"
_TIMEOUT_S = 2.0  # it is on the same machine
_TOKEN_TTL_S = 60


class NoMetadata(PrimetimeError):
    """The metadata service does not answer, or not as it should."""


class Metadata:
    """The service of this machine, or the one that AWS_EC2_METADATA_SERVICE_ENDPOINT names."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.service = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", METADATA).rstrip("/")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows only itself

    def get(self, path: str) -> str | None:
        """The text under `meta-data/`; None when there is no such thing now. NoMetadata when nobody can say."""
        header = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_TTL_S)}
        token = self._ask("PUT", "api/token", header)
        if token is None:
            raise NoMetadata(f"{self.service} gives no token: allow IMDSv2 (HttpTokens) for this instance")
        return self._ask("GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": token})

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> str | None:
        request = urllib.request.Request(f"{self.service}/latest/{path}", method=method, headers=headers)
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise NoMetadata(
                f"{self.service} answers {error.code} to {path}: see the instance's metadata options"
            ) from error
        except OSError as error:
            raise NoMetadata(f"{self.service} does not answer: {error}: is this an instance of EC2?") from error
