"""A topology's vagrant: which provider, its folder, the environment that vagrant runs in.

    /var/lib/primetime/<topology>/network.json    the addresses (primetime/drivers/nspawn/state.py), for any provider
                                  vagrant.json    this record: provider, folders
                                  topology.yml    the topology file that its machines were made of
                                  vagrant/        vagrant's own folder (VAGRANT_DOTFILE_PATH), and in it
                                      primetime.json    machine → address, by the Vagrantfile

Called by driver, commands, and providers, who ask it which provider a topology's machines were made with.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from primetime.drivers.nspawn.state import Network, read_json, write_json, write_text
from primetime.paths import REPO, cache

# Set where primetime itself runs vagrant: the Vagrantfile then leaves to it what it would do for people.
DRIVEN = "PRIMETIME_DRIVES_VAGRANT"
# Set while machines are made that boxes with roles are made of: the Vagrantfile then takes none of these.
PLAIN = "PRIMETIME_PLAIN_BOXES"
VAGRANTFILE = REPO / "vagrant"


@dataclass(frozen=True)
class Project:
    """One topology's machines by one provider of vagrant's."""

    name: str
    provider: str  # as vagrant calls it
    dotfile: str  # vagrant's folder for this topology
    home: str  # its folder for boxes and plugins; empty: a person's own

    @property
    def network(self) -> Network:
        return Network(self.name)

    @property
    def topology(self) -> Path:
        return self.network.folder / "topology.yml"

    @property
    def made(self) -> bool:
        return recorded(self.name) is not None

    def environment(self) -> dict[str, str]:
        """What vagrant is called with: nothing of a person's own Vagrantfiles and folders, but where plugins are."""
        ours = {
            "VAGRANT_CWD": str(VAGRANTFILE),
            "VAGRANT_DOTFILE_PATH": self.dotfile,
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
            "PRIMETIME_TOPOLOGY": str(self.topology),
            "PRIMETIME_CACHE": str(cache()),
            DRIVEN: "1",
        }
        theirs = {key: value for key, value in os.environ.items() if key not in ("VAGRANT_VAGRANTFILE", "VAGRANT_LOG")}
        return {**theirs, **ours, **({"VAGRANT_HOME": self.home} if self.home else {})}

    def remember(self, topology_file: str) -> None:
        """Keep the record, and the topology as it is now; the network's folder is there."""
        write_text(self.topology, Path(topology_file).read_text())
        write_json(_record(self.name), asdict(self))

    def ids(self) -> dict[str, str]:
        """Machine → what the provider calls it, as vagrant has noted it: also of those it can no longer find."""
        found = {}
        for path in sorted(Path(self.dotfile).glob(f"machines/*/{self.provider}/id")):
            found[path.parent.parent.name] = path.read_text().strip()
        return found

    def addresses(self) -> dict[str, str]:
        """Machine → address, as the Vagrantfile gave them when vagrant last read it."""
        return {str(name): str(at) for name, at in (read_json(Path(self.dotfile) / "primetime.json") or {}).items()}

    def box(self, machine: str) -> str:
        """The name of the box that a machine was made of; empty when vagrant has not noted it."""
        noted = read_json(Path(self.dotfile) / "machines" / machine / self.provider / "box_meta")
        return str((noted or {}).get("name", ""))


def of(name: str, provider: str) -> Project:
    """The project of a topology: as recorded, or as it will be."""
    return recorded(name) or Project(name, provider, *_folders(name, provider))


def recorded(name: str) -> Project | None:
    """The project of a topology that has one."""
    record = read_json(_record(name))
    return Project(**record) if record else None


def _folders(name: str, provider: str) -> tuple[str, str]:
    """Vagrant's folders: for this topology, and for boxes.

    Plugins are in a person's own home, Debian's vagrant-lxc is not: so containers' boxes go into the cache.
    """
    dotfile = os.environ.get("PRIMETIME_VAGRANT_FOLDER") or str(Network(name).folder / "vagrant")
    home = os.environ.get("VAGRANT_HOME") or (str(cache() / "vagrant") if provider == "lxc" else "")
    return dotfile, home


def _record(name: str) -> Path:
    return Network(name).folder / "vagrant.json"
