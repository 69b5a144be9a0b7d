"""The secrets of a topology on EC2: SecureString parameters, which AWS encrypts and gives to whoever may read them.

Called by primetime.secrets.topology, on the machines of operators and on the cluster's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

from primetime.cloud import names
from primetime.drivers.aws.errors import AlreadyThere
from primetime.drivers.parameters import ParametersDriver
from primetime.errors import UsageError
from primetime.secrets.store import Entry
from primetime.secrets.value import Value


class ParameterStore:
    """The same verbs as a secrets file has; nothing of it is on this machine."""

    def __init__(self, topology: str, region: str) -> None:
        self.topology, self.region = topology, region
        self.path = names.parameters(topology)

    @property
    def file(self) -> str:
        """Where they are, for people."""
        return f"AWS Systems Manager, {self.region}, {self.path}"

    @cached_property
    def _driver(self) -> ParametersDriver:
        return ParametersDriver(region=self.region)

    def entries(self) -> dict[str, Entry]:
        """What is set, by name, without what belongs to operators alone."""
        return {
            each.name.removeprefix(self.path): Entry(each.changed.isoformat(timespec="seconds"), "")
            for each in self._driver.list_parameters(self.path)
            if "/" not in each.name.removeprefix(self.path)
        }

    def get(self, name: str) -> Value | None:
        """The value of one secret; None when it is not set."""
        text = self._driver.get_parameter(self.path + name)
        return Value(name, text) if text is not None else None

    def since(self, name: str) -> datetime | None:
        """When the value of one secret was set; None when it is not. A machine may ask for what it may read."""
        found = self._driver.find_parameter(self.path + name)
        return found.changed if found else None

    def set(self, values: Mapping[str, str], *, replace: bool = True) -> list[str]:
        """Keep values; without `replace`, only those that are not set yet. Returns the names changed."""
        return [name for name, text in values.items() if self._put(name, text, replace)]

    def _put(self, name: str, text: str, replace: bool) -> bool:
        marks = {"primetime:topology": self.topology, "primetime:name": name}
        try:
            self._driver.put_parameter(self.path + name, text, marks)
        except AlreadyThere:
            if replace:
                self._driver.put_parameter(self.path + name, text, marks, replace=True)
            return replace
        return True

    def change_key(self) -> str:
        """AWS has the key."""
        raise UsageError(f"AWS encrypts the secrets of {self.topology}, under the account's own key: leave --key out")
