"""Our libcloud drivers. Importing this package registers them with libcloud.

>>> import primetime.drivers
>>> from libcloud.compute.providers import get_driver
>>> driver = get_driver("nspawn")("demo")
"""

import sys

# libcloud's base brings paramiko for its own way of deploying, which nothing here goes: half of a plan's imports.
if "paramiko" not in sys.modules:
    sys.modules["paramiko"] = None  # type: ignore[assignment]
    import libcloud.compute.base  # noqa: F401

    del sys.modules["paramiko"]

from libcloud.compute.providers import DRIVERS

# Not set_driver, which imports what it registers: hosts have the AWS drivers alone.
DRIVERS["nspawn"] = ("primetime.drivers.nspawn.driver", "NspawnNodeDriver")  # type: ignore[index]
DRIVERS["vagrant"] = ("primetime.drivers.vagrant.driver", "VagrantNodeDriver")  # type: ignore[index]
