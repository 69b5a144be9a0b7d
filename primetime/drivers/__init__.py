"""Our libcloud drivers. Importing this package registers them with libcloud.

>>> import primetime.drivers
>>> from libcloud.compute.providers import get_driver
>>> driver = get_driver("nspawn")("demo")
"""

from libcloud.compute.providers import set_driver

set_driver("nspawn", "primetime.drivers.nspawn.driver", "NspawnNodeDriver")  # type: ignore[arg-type]
