"""How the promises of the guard are broken."""

from tests.promises.breaking import CONVERGED, Break, changed, mode, overridden

UNIT = "/etc/systemd/system/primetime-guard.service"

BREAKS = {
    "it runs as the collector's user": overridden("primetime-guard", "printf '%s\\n' User=nobody Group=nogroup"),
    "it sees what waits in the spool": Break(
        "chmod o-rwx,u-rwx /var/spool/primetime",
        "chmod 2770 /var/spool/primetime",
        ("collector: *", f"shipper: {CONVERGED}Make the spool where no collector has made it"),
    ),
    "it sees what the shipper cannot ship": mode("/run/primetime-shipper", "700", "755"),
    "it may make the collector drain": mode("/run/primetime-collector", "500", "755"),
    "it is heard when it asks for the spool of an instance that is gone": Break(
        "systemctl stop primetime-adopt.path",
        "systemctl start primetime-adopt.path",
        (f"guard: {CONVERGED}Wait for the guard to ask",),
    ),
    "is as converged": changed(
        UNIT,
        "$ a # by hand",
        f"guard: {CONVERGED}Write the unit of the guard",
        f"guard: {CONVERGED}Read the changed unit of the guard",
        f"guard: {CONVERGED}Restart the guard on its new bundle or unit",
    ),
}
