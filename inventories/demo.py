"""The demo's live nodes as a plain pyinfra inventory: `pyinfra inventories/demo.py deploy.py`."""

from primetime.inventory import pyinfra_groups as _pyinfra_groups

globals().update(_pyinfra_groups("demo"))
