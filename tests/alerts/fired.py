"""Which alerts are fired for real by the tests of this folder: broken, received through Alertmanager, and resolved."""

FIRED: dict[str, str] = {}
