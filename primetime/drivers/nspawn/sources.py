"""What a host needs of this machine's own apt: its Debian sources, proxy and extra certificate authorities.

Called by images. Nothing here names a mirror: an image is made from where this machine itself installs from, and
sources that are not Debian's stay out of it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from primetime.drivers.nspawn import commands
from primetime.errors import PrimetimeError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
EXTRA_AUTHORITIES = Path("/usr/local/share/ca-certificates")
_APT_KEYS = re.compile(r'(Acquire::(?:https?::Proxy|Check-Valid-Until|Check-Date|Retries)) "(.*)";')
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
_AREAS = ("main", "contrib", "non-free", "non-free-firmware")


@dataclass(frozen=True)
class Source:
    """One archive of apt."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str


def machine_sources(release: str) -> list[str]:
    """apt's one-line sources for `release`, from where this machine gets Debian; PrimetimeError when it does not."""
    folder = Path("/etc/apt")
    found: list[Source] = []
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))):
        if path.exists():
            found += parse_one_line(path.read_text())
    for path in sorted((folder / "sources.list.d").glob("*.sources")):
        found += parse_deb822(path.read_text())
    lines = for_release(found, _codename(), release)
    if not lines:
        raise PrimetimeError(
            "/etc/apt has no Debian source signed by Debian's keyring, and images are made from this machine's own "
            "sources: add one (man sources.list), then repeat"
        )
    return lines


def _codename() -> str:
    found = re.search(r"^VERSION_CODENAME=\"?([a-z]+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    return found.group(1) if found else ""


def parse_one_line(text: str) -> Iterator[Source]:
    """The `deb` lines of a sources.list."""
    for line in text.splitlines():
        found = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if found:
            options = dict(option.partition("=")[::2] for option in (found["options"] or "").split())
            components = tuple(found["components"].split())
            yield Source(found["uri"], found["suite"], components, options.get("signed-by", ""))


def parse_deb822(text: str) -> Iterator[Source]:
    """The enabled binary archives of a .sources file."""
    uncommented = re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", re.sub(r"\n[ \t]+", " ", uncommented)):
        lines = (line.partition(":") for line in stanza.splitlines())
        fields = {key.strip().lower(): value.strip() for key, _, value in lines}
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        components = tuple(fields.get("components", "").split())
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite, components, fields.get("signed-by", ""))


def for_release(sources: Iterable[Source], codename: str, release: str) -> list[str]:
    """Debian's own among `sources` (a machine of release `codename`), turned to another release: one-line sources."""
    lines = []
    for source in sources:
        name, _, kind = source.suite.partition("-")
        ours = name in (codename, "stable") and kind in ("", "updates", "security")
        trusted = not source.signed_by or "debian-archive" in source.signed_by
        areas = [area for area in source.components if area in _AREAS]
        if ours and trusted and "main" in areas and source.uri.startswith(("http://", "https://")):
            suite = f"{release}-{kind}" if kind else release
            lines.append(f"deb [signed-by={KEYRING}] {source.uri} {suite} {' '.join(areas)}")
    return list(dict.fromkeys(lines))


def mirror_answers(lines: Iterable[str]) -> bool:
    """Whether the first of these one-line sources can be read, by way of this machine's own apt settings."""
    uri, suite = next(iter(lines)).split("] ")[1].split()[:2]
    with tempfile.TemporaryDirectory() as folder:
        command = ["timeout", "10", "/usr/lib/apt/apt-helper", "-o", "Acquire::Retries=0", "download-file"]
        return commands.attempt(*command, f"{uri}/dists/{suite}/InRelease", f"{folder}/InRelease").returncode == 0


def machine_apt_options() -> list[str]:
    """This machine's own settings for reaching its mirror, as lines for apt.conf."""
    return apt_options(commands.run("apt-config", "dump"), os.environ)


def apt_options(dump: str, environment: Mapping[str, str]) -> list[str]:
    """Proxy and date checks from `apt-config dump` and the environment, less what only this machine can reach."""
    options = {
        f"Acquire::{scheme}::Proxy": environment[f"{scheme}_proxy"]
        for scheme in ("http", "https")
        if environment.get(f"{scheme}_proxy")
    }
    options.update((found[1], found[2]) for line in dump.splitlines() if (found := _APT_KEYS.fullmatch(line)))
    return [f'{key} "{value}";' for key, value in options.items() if not _is_local(value)]


def _is_local(value: str) -> bool:
    host = urlsplit(value).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def authorities() -> dict[str, str]:
    """The certificate authorities that this machine trusts beside Debian's: file name → PEM."""
    return {path.name: path.read_text() for path in sorted(EXTRA_AUTHORITIES.rglob("*.crt"))}
