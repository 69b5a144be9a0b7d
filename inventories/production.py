"""Production's live machines, by their tags, as an inventory: `pyinfra inventories/production.py deploy.py`."""

from primetime.inventory import pyinfra_groups as _pyinfra_groups

globals().update(_pyinfra_groups("production"))
