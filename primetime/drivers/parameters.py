"""SecureString parameters of AWS Systems Manager, by path. libcloud has no driver for it. Called by primetime.secrets.

The service speaks JSON where the others speak forms and XML; all else is as in connection.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from libcloud.common.base import BaseDriver, JsonResponse

from primetime.drivers.aws import wire
from primetime.drivers.aws.connection import AwsConnection, AwsDriver, AwsResponse
from primetime.drivers.aws.errors import NotThere

JSON = "application/x-amz-json-1.1"
DELETED_AT_ONCE = 10


class ParametersResponse(AwsResponse):
    """An answer in JSON; its errors have the same kinds."""

    def parse_body(self) -> Any:
        return JsonResponse.parse_body(self)

    def _code_and_message(self) -> tuple[str, str]:
        try:
            said = json.loads(self.body)
            return str(said["__type"]).rpartition("#")[2], str(said.get("message") or said.get("Message") or "")
        except (ValueError, KeyError, TypeError):  # whoever refuses before the service is asked speaks XML
            return super()._code_and_message()


class ParametersConnection(AwsConnection):
    service_name = "ssm"
    version = "2014-11-06"
    responseCls = ParametersResponse

    def ask(self, action: str, **values: Any) -> Any:
        """Call `action` with plain values; one page of its answer."""
        given = {key: value for key, value in values.items() if value is not None}
        return self._patiently({"Action": action, "values": given}).object or {}

    def send(self, asked: dict[str, Any]) -> Any:
        headers = {"Content-Type": JSON, "X-Amz-Target": f"AmazonSSM.{asked['Action']}"}
        body = json.dumps(asked["values"])
        return super(AwsConnection, self).request("/", data=body, headers=headers, method="POST")


@dataclass(frozen=True)
class Parameter:
    """A parameter without its value."""

    name: str
    changed: datetime
    version: int


def _parameter(said: Mapping[str, Any]) -> Parameter:
    changed = datetime.fromtimestamp(float(said["LastModifiedDate"]), UTC)
    return Parameter(said["Name"], changed, int(said.get("Version", 1)))


class ParametersDriver(AwsDriver, BaseDriver):  # type: ignore[misc]
    """Systems Manager's parameters in one region."""

    name = "AWS Systems Manager Parameter Store"
    connectionCls = ParametersConnection
    service = "ssm"

    def list_parameters(self, path: str) -> list[Parameter]:
        """Those under a path; their values are not read."""
        filters = [{"Key": "Path", "Option": "Recursive", "Values": [path.rstrip("/")]}]
        return [
            _parameter(each)
            for page in self._pages("DescribeParameters", ParameterFilters=filters)
            for each in page.get("Parameters") or []
        ]

    def get_parameter(self, name: str) -> str | None:
        """Its value; None when there is none of the name."""
        try:
            return str(self.connection.ask("GetParameter", Name=name, WithDecryption=True)["Parameter"]["Value"])
        except NotThere:
            return None

    def find_parameter(self, name: str) -> Parameter | None:
        """What is known of one beside its value; None when there is none of the name."""
        try:
            return _parameter(self.connection.ask("GetParameter", Name=name)["Parameter"])
        except NotThere:
            return None

    def put_parameter(self, name: str, value: str, tags: Mapping[str, str], replace: bool = False) -> None:
        """A SecureString under the account's own key. AlreadyThere when it is, unless it is to be replaced."""
        marks = None if replace else wire.tags(tags)  # AWS takes tags at the first time only
        self.connection.ask("PutParameter", Name=name, Value=value, Type="SecureString", Overwrite=replace, Tags=marks)

    def delete_parameters(self, names: list[str]) -> None:
        """Those that are there of `names`."""
        for start in range(0, len(names), DELETED_AT_ONCE):
            self.connection.ask("DeleteParameters", Names=names[start : start + DELETED_AT_ONCE])

    def _pages(self, action: str, **values: Any) -> Iterator[Any]:
        token = None
        while True:
            page = self.connection.ask(action, **values, NextToken=token)
            yield page
            if not (token := page.get("NextToken")):
                return
