"""Answers of AWS from files, in the manner of libcloud's MockHttp: by action, and by page where there are several."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import requests
from libcloud.http import LibcloudConnection

from tests.aws_model import request_problems

FIXTURES = Path(__file__).parent / "wire" / "fixtures" / "aws"
Answer = tuple[int, str] | Exception


@dataclass
class Wire:
    """What was sent, and what is answered before the files are."""

    sent: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    first: list[Answer] = field(default_factory=list)
    date: str = ""

    def behind(self, driver: Any) -> Any:
        """The driver, with its connection's other end here."""
        wire = self

        class Files(LibcloudConnection):
            def request(
                self, method: Any, url: Any, body: Any = None, headers: Any = None, *rest: Any, **more: Any
            ) -> Any:
                asked = dict(parse_qsl(body))
                assert request_problems(driver.connection.service_name, asked) == []
                wire.sent.append(asked)
                wire.headers.append(headers)
                self.response = wire.answer(asked)

        driver.connection.conn_class = Files
        driver.connection.connect()
        return driver

    def answer(self, asked: dict[str, str]) -> requests.Response:
        answer = self.first.pop(0) if self.first else (200, _file(asked))
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, text = answer
        response._content = text.encode()
        if self.date:
            response.headers["Date"] = self.date
        return response


def _file(asked: dict[str, str]) -> str:
    page = asked.get("NextToken") or asked.get("Marker")
    return (FIXTURES / f"{asked['Action']}{f'.{page}' if page else ''}.xml").read_text()


def ec2_error(code: str, message: str = "as it is") -> str:
    """As EC2 says it."""
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>"


def query_error(code: str, message: str = "as it is") -> str:
    """As the other services say it."""
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return f'<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">{error}</ErrorResponse>'
