"""libcloud's S3 driver with what our others have: every region, found credentials, retries, errors with kinds.

Called by primetime.cloud. All of libcloud's verbs for containers and objects work as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from libcloud.http import LibcloudConnection
from libcloud.storage.drivers.s3 import BaseS3Connection, BaseS3StorageDriver, S3RawResponse, S3Response

from primetime.drivers.aws.connection import AwsConnection, AwsDriver, AwsResponse

_S3Response: Any = S3Response  # not typed
_S3RawResponse: Any = S3RawResponse
_S3Driver: Any = BaseS3StorageDriver


class StorageResponse(_S3Response):  # type: ignore[misc]
    """An answer of S3, whose refusals are ours."""

    parse_error = AwsResponse.parse_error
    _code_and_message = AwsResponse._code_and_message
    _skew_s = AwsResponse._skew_s


class StorageRawResponse(StorageResponse, _S3RawResponse):  # type: ignore[misc]
    """The same, of a body that is read as it comes."""


class BoundedConnection(LibcloudConnection):
    """libcloud's own gives uploads no time limit: one whose answer is lost would be waited for without end."""

    def prepared_request(self, *words: Any, **named: Any) -> None:
        cast(Any, self).request(*words, **named)  # not typed


class StorageConnection(AwsConnection):
    """S3 speaks HTTP's verbs: what is asked twice is done once, so all of it may be repeated."""

    service_name = "s3"
    version = "2006-03-01"
    responseCls = StorageResponse
    rawResponseCls = StorageRawResponse
    host = BaseS3Connection.host
    conn_class = BoundedConnection

    def request(self, action: str, params: Mapping[str, Any] | None = None, **rest: Any) -> Any:
        method = rest.get("method", "GET")
        return self._patiently({"Action": method, "path": action, "params": params, "rest": rest})

    def send(self, asked: dict[str, Any]) -> Any:
        if hasattr(asked["rest"].get("data"), "seek"):
            asked["rest"]["data"].seek(0)  # a file, of which a call that failed has read some
        return super(AwsConnection, self).request(asked["path"], params=asked["params"], **asked["rest"])


class StorageDriver(AwsDriver, _S3Driver):  # type: ignore[misc]
    """Amazon S3 in one region."""

    connectionCls: Any = StorageConnection
    service = "s3"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ex_location_name = "" if self.region_name == "us-east-1" else self.region_name
