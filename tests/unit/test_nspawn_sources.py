"""Which of a machine's apt sources, options and proxies reach an image."""

from primetime.drivers.nspawn.sources import KEYRING, Source, apt_options, for_release, parse_deb822, parse_one_line

DEB822 = """\
# Debian
Types: deb deb-src
# a comment between fields
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
 bookworm-backports
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: https://node.test/node_20.x
Suites: nodistro
Components: main
Signed-By: /usr/share/keyrings/nodesource.gpg

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.test/debian
Suites: bookworm
Components: main
"""


def test_debians_own_sources_are_found_in_a_deb822_file() -> None:
    assert for_release(parse_deb822(DEB822), "bookworm", "bookworm") == [
        f"deb [signed-by={KEYRING}] http://mirror.test/debian bookworm main non-free-firmware",
        f"deb [signed-by={KEYRING}] http://mirror.test/debian bookworm-updates main non-free-firmware",
        f"deb [signed-by={KEYRING}] http://mirror.test/debian-security bookworm-security main",
    ]


def test_a_bookworm_machines_sources_serve_trixie() -> None:
    lines = for_release(parse_deb822(DEB822), "bookworm", "trixie")
    assert [line.split()[3] for line in lines] == ["trixie", "trixie-updates", "trixie-security"]


def test_a_one_line_source_keeps_its_options() -> None:
    text = (
        "# deb http://off.test/d bookworm main\ndeb [arch=amd64 signed-by=/k.gpg] http://m.test/d bookworm main # c\n"
    )
    assert list(parse_one_line(text)) == [Source("http://m.test/d", "bookworm", ("main",), "/k.gpg")]


def test_a_third_partys_source_for_the_same_release_stays_out() -> None:
    theirs = [
        Source("https://docker.test/linux/debian", "bookworm", ("stable",), ""),
        Source("https://vendor.test/apt", "bookworm", ("main",), "/usr/share/keyrings/vendor.gpg"),
    ]
    assert for_release(theirs, "bookworm", "bookworm") == []


def test_a_medium_that_no_host_has_stays_out() -> None:
    assert for_release([Source("cdrom:[Debian]/", "bookworm", ("main",), "")], "bookworm", "bookworm") == []


def test_the_machines_proxy_is_the_hosts_proxy() -> None:
    dump = 'APT::Architecture "amd64";\nAcquire::http::Proxy "http://proxy.test:3142";\nAcquire::Check-Date "false";\n'
    assert apt_options(dump, {}) == [
        'Acquire::http::Proxy "http://proxy.test:3142";',
        'Acquire::Check-Date "false";',
    ]


def test_a_proxy_in_the_environment_counts() -> None:
    assert apt_options("", {"http_proxy": "http://p.test:8080"}) == ['Acquire::http::Proxy "http://p.test:8080";']


def test_a_proxy_on_the_loopback_is_out_of_a_hosts_reach() -> None:
    assert apt_options('Acquire::http::Proxy "http://127.0.0.1:3142";', {"https_proxy": "http://localhost:1"}) == []
