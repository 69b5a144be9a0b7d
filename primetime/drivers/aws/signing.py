"""Signature version 4, over what no proxy changes: libcloud signs User-Agent too. Called by connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from libcloud.common.aws import AWSRequestSignerAlgorithmV4

_LibcloudSigner: Any = AWSRequestSignerAlgorithmV4  # not typed


class Signer(_LibcloudSigner):  # type: ignore[misc]
    """libcloud's signer, restricted to `host`, `content-type` and `x-amz-*`; with a clock."""

    clock: Callable[[], float] = time.time

    def get_request_headers(
        self, params: dict[str, str], headers: dict[str, str], method: str = "GET", path: str = "/", data: Any = None
    ) -> tuple[dict[str, str], dict[str, str]]:
        now = datetime.fromtimestamp(type(self).clock(), UTC)
        headers["X-AMZ-Date"] = now.strftime("%Y%m%dT%H%M%SZ")
        headers["X-AMZ-Content-SHA256"] = self._get_payload_hash(method, data)
        headers["Authorization"] = self._get_authorization_v4_header(
            params=params, headers=headers, dt=now, method=method, path=path, data=data
        )
        return params, headers

    def _get_signed_headers(self, headers: dict[str, str]) -> str:
        return str(super()._get_signed_headers(_signed(headers)))

    def _get_canonical_headers(self, headers: dict[str, str]) -> str:
        return str(super()._get_canonical_headers(_signed(headers)))


def _signed(headers: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name.lower() in ("host", "content-type") or name.lower().startswith("x-amz-")
    }
