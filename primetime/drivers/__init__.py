"""Our libcloud drivers. Importing this package registers them with libcloud.

>>> import primetime.drivers
>>> from libcloud.compute.providers import get_driver
>>> driver = get_driver("nspawn")("demo")
"""

from libcloud.compute.providers import DRIVERS

# Not set_driver, which imports what it registers: hosts have the AWS drivers alone.
DRIVERS["nspawn"] = ("primetime.drivers.nspawn.driver", "NspawnNodeDriver")  # type: ignore[index]
