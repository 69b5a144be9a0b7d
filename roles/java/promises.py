"""What promises of JVM daemons ask: their beans and configuration over HTTP, their process over ssh.

Called by verify.py of zookeeper, hdfs and hbase.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any
from xml.etree import ElementTree

from primetime.settings import known

ANSWER_S = 10


def fetch(where: tuple[str, int], path: str) -> bytes:
    """The body of a GET to (address, port); URLError when there is no answer."""
    address, port = where
    with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=ANSWER_S) as answer:
        return bytes(answer.read())


def bean(where: tuple[str, int], name: str) -> dict[str, Any]:
    """One bean of a Hadoop or HBase daemon: `Hadoop:service=NameNode,name=FSNamesystemState`."""
    found = json.loads(fetch(where, f"/jmx?qry={urllib.parse.quote(name)}"))["beans"]
    assert found, f"{where[0]}:{where[1]} has no bean {name}"
    return dict(found[0])


def effective(where: tuple[str, int], key: str) -> str:
    """The value of a configuration key in the running daemon."""
    for entry in ElementTree.fromstring(fetch(where, f"/conf?name={key}")).iter("property"):
        if entry.findtext("name") == key:
            return entry.findtext("value") or ""
    raise AssertionError(f"{where[0]}:{where[1]} runs without {key}")


def pid(host: Any, group: str) -> str:
    """The process of a daemon."""
    daemon: Any = known()[group]
    (unit,) = daemon.services
    return str(host.check_output("systemctl show -P MainPID %s", unit))


def user(host: Any, group: str) -> str:
    """Whom a daemon runs as."""
    return str(host.check_output("stat -c %%U /proc/%s", pid(host, group)))


def heap_mb(host: Any, group: str) -> int:
    """The heap that a running daemon was given."""
    arguments = host.check_output("tr '\\0' '\\n' < /proc/%s/cmdline", pid(host, group)).splitlines()
    return int(next(word for word in arguments if word.startswith("-Xmx")).removeprefix("-Xmx").removesuffix("m"))
