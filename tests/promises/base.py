"""How the promises of base are broken."""

from roles.base.settings import Base
from tests.promises.breaking import (
    CONVERGED,
    NO_FILTER,
    OPENED,
    Break,
    changed,
    commanded,
    fewer_files,
    logged,
    moved,
    opened,
)

RULE = "nft add table inet stranger && nft add chain inet stranger in '{ type filter hook input priority -10; }' &&"
CONTROLLER = "$(ip -4 route show default | cut -d' ' -f3)"
PROCESS = ("Type=exec", "ExecStart=", "ExecStart=/bin/sleep infinity")  # for a unit that has done its work
FIRST = "tcp flags syn / syn,ack"  # packets of a connection: what a host has begun, and this session, go on
MEND = "nft delete table inet stranger"
LISTENER = "import socket, time; s = socket.create_server((str(), 5)); time.sleep(900)"

BREAKS = {
    "answers ssh": Break(
        # it mends itself: nobody gets in to do it
        "systemd-run -q --on-active=60 --unit=mend-stranger nft delete table inet stranger; "
        f"{RULE} nft add rule inet stranger in tcp dport {Base().ssh_port} drop",
        "",
    ),
    "every node of the topology resolves": changed(
        "/etc/hosts", "$ d", f"base: {CONVERGED}Write /etc/hosts with the nodes that it may look for"
    ),
    "its disks have room": Break(  # a small disk of its own, and full
        "mkdir -p /srv/full && mount -t tmpfs -o size=4m full /srv/full && ! cat /dev/zero > /srv/full/zeros",
        "umount /srv/full && rmdir /srv/full",
    ),
    "the journal has a limit": changed(
        "/etc/systemd/journald.conf.d/primetime.conf", "/SystemMaxUse/ d", f"base: {CONVERGED}*the journal*"
    ),
    "the journal keeps to its limit": Break(
        f"fallocate -l {Base().journal_max_mb + 8}M /var/log/journal/broken", "rm /var/log/journal/broken"
    ),
    "the hosts reach what it opens to them and nothing else": Break(
        f"{RULE} nft add rule inet stranger in ip saddr != {CONTROLLER} {FIRST} drop", MEND
    ),
    "the controlling machine reaches what it opens to it and nothing else": Break(
        f"{RULE} nft add rule inet stranger in ip saddr {CONTROLLER} tcp dport != {Base().ssh_port} {FIRST} drop",
        MEND,
        ("collector: it *",),  # is asked from the controlling machine
    ),
    "nothing undeclared listens": Break(
        f"systemd-run -q --unit=stranger python3 -c '{LISTENER}'", "systemctl stop stranger"
    ),
    "the firewall in force is the one on disk": Break(
        "nft insert rule inet primetime input tcp dport 5 accept", "systemctl reload primetime-firewall"
    ),
    "primetime-firewall has its system calls filtered": opened("base", "primetime-firewall", (*NO_FILTER, *PROCESS)),
    "primetime-firewall is held to its own network": opened(
        "base", "primetime-firewall", ("RestrictAddressFamilies=AF_INET", *OPENED["test_is_held_to_its_own_network"])
    ),
    "primetime-firewall may open as many files as it asks for": fewer_files("primetime-firewall", *PROCESS),
    "primetime-firewall keeps no log of its own": logged("primetime-firewall", *PROCESS),
    "is as converged": changed(
        "/etc/hosts", "$ a # by hand", f"base: {CONVERGED}Write /etc/hosts with the nodes that it may look for"
    ),
}

UNIT = "primetime-base-exporter"
EXPORTER = {
    "http listens where declared (port 9100)": moved("primetime-base-exporter", 9100),
    "it shows the host to monitoring": commanded(UNIT, "s/--collector.loadavg//"),
    "is as converged": changed(
        f"/etc/systemd/system/{UNIT}.service", "$ a # by hand", f"base/exporter: {CONVERGED}*the host's exporter*"
    ),
}
