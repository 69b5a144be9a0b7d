"""Where a service of a region answers: by rule, since libcloud's table lacks fourteen regions and each new one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from primetime.errors import UsageError

REGION = re.compile(r"[a-z]{2,5}(-[a-z]+){1,2}-[0-9]+")
# partitions by the beginning of their regions' names: https://docs.aws.amazon.com/general/latest/gr/rande.html
_SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
}
_GLOBAL = ("iam",)  # one for all regions of a partition
_SHORT = {"elasticloadbalancing": "ELASTIC_LOAD_BALANCING_V2", "autoscaling": "AUTO_SCALING", "ec2": "EC2"}


@dataclass(frozen=True)
class Endpoint:
    """Host, port and whether TLS is spoken."""

    host: str
    port: int
    secure: bool


def endpoint(service: str, region: str, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """Where `service` (its signing name) answers: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, else by the rule."""
    if url := url_given(service, environ):
        return _of_url(url)
    if not REGION.fullmatch(region):
        raise UsageError(f"region {region!r}: write a region's name, for example eu-central-1")
    suffix = next((suffix for begin, suffix in _SUFFIXES.items() if region.startswith(begin)), "amazonaws.com")
    where = service if service in _GLOBAL and suffix == "amazonaws.com" else f"{service}.{region}"
    return Endpoint(f"{where}.{suffix}", 443, True)


def url_given(service: str, environ: Mapping[str, str] = os.environ) -> str:
    """What the environment says of where `service` answers; empty where it says nothing."""
    own = environ.get(f"AWS_ENDPOINT_URL_{_SHORT.get(service, service.upper())}")
    return own or environ.get("AWS_ENDPOINT_URL") or ""


def _of_url(url: str) -> Endpoint:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise UsageError(f"AWS_ENDPOINT_URL is {url!r}: write http:// or https://, a host and a port")
    secure = parts.scheme == "https"
    return Endpoint(parts.hostname, port or (443 if secure else 80), secure)


def given(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the environment says of endpoints, for another machine's."""
    return {name: value for name, value in sorted(environ.items()) if name.startswith("AWS_ENDPOINT_URL") and value}


def default_region(environ: Mapping[str, str] = os.environ) -> str | None:
    """The region of the environment: AWS_REGION before AWS_DEFAULT_REGION."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None
