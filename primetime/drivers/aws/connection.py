"""A call to AWS: signed, in a POST, repeated while it makes sense, its pages joined, its refusal an error with a kind.

The three drivers' connections stand on it; libcloud's own methods call `request` and get all of this by that.
"""

from __future__ import annotations

import copy
import random
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlencode
from xml.etree import ElementTree

import requests
from libcloud.common.aws import AWSBaseResponse, SignedAWSConnection
from libcloud.common.base import BaseDriver

from primetime.drivers.aws import regions, wire
from primetime.drivers.aws.credentials import Credentials, find, fixed
from primetime.drivers.aws.errors import AwsError, Faulty, Refusal, Throttled, Unanswered, refused
from primetime.drivers.aws.signing import Signer

TIMEOUT_S = 20.0  # of one connection attempt, and of each silence in an answer
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 10.0
FORM = "application/x-www-form-urlencoded; charset=utf-8"


_LibcloudResponse: Any = AWSBaseResponse  # not typed
_LibcloudConnection: Any = SignedAWSConnection


class AwsResponse(_LibcloudResponse):  # type: ignore[misc]
    """An answer whose names are in libcloud's namespace, and whose errors have kinds."""

    def parse_body(self) -> ElementTree.Element:
        body = super().parse_body()
        return wire.in_namespace(body, self.connection.xml_namespace) if len(body) else body

    def parse_error(self) -> str:
        code, message = self._code_and_message()
        action = f"{self.connection.service_name}:{self.connection.called}"
        raise refused(Refusal(code, message, action, int(self.status)), self._skew_s())

    def _code_and_message(self) -> tuple[str, str]:
        try:
            document = wire.in_namespace(ElementTree.XML(self.body), "")
        except ElementTree.ParseError:  # a page of a proxy or of a fault
            return f"HTTP {self.status}", str(self.body)[:200] or str(self.error)
        error = next(document.iter("Error"), document)
        return error.findtext("Code") or f"HTTP {self.status}", error.findtext("Message") or ""

    def _skew_s(self) -> float | None:
        """This machine's clock less AWS's."""
        try:
            return float(Signer.clock() - parsedate_to_datetime(self.headers["date"]).timestamp())
        except (KeyError, ValueError, TypeError):
            return None


class AwsConnection(_LibcloudConnection):  # type: ignore[misc]
    """libcloud's signed connection; `version`, `service_name` and `member` are a service's own."""

    responseCls = AwsResponse
    member = "member"  # how the service writes lists
    xml_namespace = ""
    service_name = ""  # as signatures say it
    called = ""
    budget_s = 60.0  # for one call with all its retries
    clock: Callable[[], float] = staticmethod(time.monotonic)
    sleep: Callable[[float], None] = staticmethod(time.sleep)
    jitter: Callable[[float, float], float] = staticmethod(random.uniform)

    def __init__(self, user_id: str, key: str, *args: Any, **kwargs: Any) -> None:
        kwargs["signature_version"] = "4"
        kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT_S
        super().__init__(user_id, key, *args, **kwargs)
        self.signer = Signer(self.user_id, self.key, self.version, self)

    def ask(self, action: str, **values: Any) -> Any:
        """Call `action` with plain values; the answer as plain values, without its metadata."""
        return _result(action, self.request("/", params={"Action": action, **wire.parameters(values, self.member)}))

    def first_page(self, action: str, **values: Any) -> Any:
        """The same, of a list that may be long and whose beginning is enough."""
        return _result(action, self._patiently({"Action": action, **wire.parameters(values, self.member)}))

    def request(self, action: str, params: Mapping[str, Any] | None = None, **rest: Any) -> Any:
        """One call of the query protocol, whole: further pages are appended to the first one's lists.

        Raises an AwsError: Throttled or Faulty when the budget is spent, Unanswered where repeating is not safe.
        """
        asked = dict(params or {})
        answer = self._patiently(asked)
        following = wire.next_page(answer.object) if _reads(asked) and len(answer.object) else {}
        while following:
            page = self._patiently({**asked, **following}).object
            wire.append_page(answer.object, page)
            following = wire.next_page(page)
        return answer

    def _patiently(self, asked: dict[str, Any]) -> Any:
        deadline, attempt = self.clock() + self.budget_s, 0
        while True:
            try:
                return self._once(asked)
            except (Throttled, Faulty) as error:
                problem: AwsError = error
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                problem = self._unanswered(error)
                if not (_reads(asked) or repeatable(asked) or _never_sent(error)):
                    raise problem from error
            wait = self.jitter(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt))
            if self.clock() + wait > deadline:
                raise problem
            self.sleep(wait)
            attempt += 1

    def _once(self, asked: dict[str, Any]) -> Any:
        self.called = str(asked["Action"])
        self.driver.calls.append(self.called)
        return self.send(asked)

    def send(self, asked: dict[str, Any]) -> Any:
        """One request, as the service's protocol writes it."""
        body = urlencode({**asked, "Version": self.version})
        return super().request("/", data=body, headers={"Content-Type": FORM}, method="POST")

    def _unanswered(self, error: Exception) -> Unanswered:
        refusal = Refusal("no answer", str(error), f"{self.service_name}:{self.called}")
        where = f"{self.host}:{self.port}"
        sent = "was not reached" if _never_sent(error) else "did not answer"
        return Unanswered(refusal, f"{refusal.action}: {where} {sent} ({_root(error)}): {Unanswered.next_step}")

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        current: Credentials = self.driver.credentials.current()
        self.signer.access_key, self.signer.access_secret = current.access_key, current.secret
        if current.token:
            headers["x-amz-security-token"] = current.token
        return headers


def _result(action: str, answer: Any) -> Any:
    found = wire.plain(answer.object) if len(answer.object) else {}
    return (found.get(f"{action}Result", found) or {}) if isinstance(found, dict) else {}


def _reads(asked: Mapping[str, Any]) -> bool:
    return str(asked["Action"]).startswith(("Describe", "List", "Get"))


def repeatable(asked: Mapping[str, Any]) -> bool:
    """Whether a call that changes something may be made again when nobody knows if it was carried out.

    What makes a thing may only with a client token; all else says what shall be, which is the same said twice.
    """
    makes = str(asked["Action"]).startswith(("Create", "Run", "Allocate", "Register", "Import", "Copy"))
    return not makes or "ClientToken" in asked


def _root(error: Exception) -> str:
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return f"{type(reason).__name__}"


def _never_sent(error: Exception) -> bool:
    return isinstance(error, requests.ConnectTimeout) or _root(error) == "NewConnectionError"


class AwsDriver:
    """What each of our AWS drivers begins with: region, credentials, endpoint, a connection for each thread.

    `calls` is the list of actions that were sent, retries included.
    """

    service = ""

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        region: str | None = None,
        token: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Credentials are found (environment, profile, role) unless a key is given; the endpoint unless a host is."""
        self.region_name = region or regions.default_region() or "us-east-1"
        self.credentials = fixed(Credentials(key, secret, token)) if key and secret else find()
        self.calls: list[str] = []
        self._connections = threading.local()
        where = regions.Endpoint(host, port or (443 if secure else 80), secure) if host else None
        place = vars(where or regions.endpoint(self.service, self.region_name))
        # not EC2NodeDriver's own constructor, which knows a table of regions only
        BaseDriver.__init__(cast(Any, self), key or "", secret or "", **place, **kwargs)

    @property
    def connection(self) -> AwsConnection:
        """This thread's: a connection keeps what it is asked in itself."""
        if not hasattr(self._connections, "mine"):
            self.connection = copy.copy(self._pattern)
        mine: AwsConnection = self._connections.mine
        return mine

    @connection.setter
    def connection(self, value: AwsConnection) -> None:
        if not hasattr(self, "_pattern"):
            self._pattern = value
        elif value is not self._pattern:
            value.connection, value.context = None, {}
            value.signer = Signer(value.user_id, value.key, value.version, value)
        self._connections.mine = value
