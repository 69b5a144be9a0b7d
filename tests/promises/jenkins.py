"""How the promises of Jenkins are broken."""

import shlex
from dataclasses import replace

from tests.promises.breaking import CONVERGED, NO_FILTER, Break, changed, commanded, mode, overridden, stopped

FOLDER, PROXY = "/etc/primetime/jenkins", "/etc/primetime/jenkins-proxy"
PEM = f"{PROXY}/certificate.pem"
HOME = "/var/lib/primetime-jenkins"
WRITTEN = f"jenkins: {CONVERGED}Write the proxy's nginx.conf"
MADE = f"jenkins: {CONVERGED}Make a certificate that nobody else has signed"
LOADED = f"jenkins: {CONVERGED}Load the changed certificate and configuration of Jenkins' proxy"
CONFIGURED = f"jenkins: {CONVERGED}Write what Jenkins is configured as"
RESTARTED = f"jenkins: {CONVERGED}Restart Jenkins on its new configuration"
RELOAD = "systemctl reload primetime-jenkins-proxy"
ASKED = tuple(
    f"jenkins: {promise}"
    for promise in (
        "it answers over tls with its certificate",
        "nobody gets in without an account",
        "each account gets in with its password only",
        "only the administrator may change it",
    )
)


def another_certificate(days: int, name: str) -> Break:
    """One that the host did not ask for, in place of its own."""
    kept = "/run/broken-certificate.pem"
    make = (
        f"cp -p {PEM} {kept} && cd $(mktemp -d) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
        f"-nodes -keyout key -out certificate -days {days} -subj /CN=x -addext subjectAltName={name} 2>/dev/null && "
        f"cat certificate key > {PEM} && {RELOAD}"
    )
    return Break(make, f"cat {kept} > {PEM} && {RELOAD}", (MADE, LOADED, *ASKED))


def security(edit: str, *also: str) -> Break:
    """Restart the stand-in on other rights than it was given."""
    return changed(f"{HOME}/hudson-security.xml", edit, *also, reload="systemctl restart primetime-jenkins")


RELOAD = "systemctl reload primetime-jenkins-proxy"
NONSENSE = changed(f"{PROXY}/nginx.conf", "$ a nonsense", WRITTEN, LOADED)  # it would not be loaded

BREAKS = {
    "primetime-jenkins is running": stopped("jenkins", "primetime-jenkins", *ASKED),
    "primetime-jenkins-proxy is running": stopped("jenkins", "primetime-jenkins-proxy", *ASKED),
    "http listens where declared (port 8080)": Break(
        "for _ in $(seq 8); do ss -K -ltn sport = :8080; done", "systemctl restart primetime-jenkins", ASKED
    ),
    "https listens where declared (port 443)": Break(
        "for _ in $(seq 8); do ss -K -ltn sport = :443; done", "systemctl restart primetime-jenkins-proxy", ASKED
    ),
    "it answers over tls with its certificate": another_certificate(90, "DNS:stranger"),
    "its certificate lasts another week": another_certificate(3, "DNS:jenkins-1,IP:127.0.0.1"),
    "nobody gets in without an account": security(
        "s#<permission>hudson.model.Hudson.Read:viewer#<permission>hudson.model.Hudson.Read:anonymous</permission>&#",
        "jenkins: each account gets in with its password only",  # with a wrong one it is anonymous
    ),
    "each account gets in with its password only": security("s#Hudson.Read:ops#Hudson.Read:nobody#"),
    "only the administrator may change it": security("s#Hudson.Read:ops#Hudson.Administer:ops#"),
    "it keeps no password but its hash": changed(
        f"{FOLDER}/jenkins.yaml", "s/#jbcrypt:/#plain:/", CONFIGURED, RESTARTED
    ),
    "the key of its certificate is the proxy's alone": mode(PEM, "440", "400", MADE, LOADED),
    "nobody else reads its home": mode(HOME, "755", "750", f"jenkins: {CONVERGED}Make Jenkins' home"),
    "it and its proxy run as their own users": overridden(
        "primetime-jenkins",
        "printf '%s\\n' User=root Group=root CapabilityBoundingSet=CAP_DAC_OVERRIDE",
        after=f"chown -R jenkins:jenkins {HOME}",
    ),
    "its heap is as given": commanded("primetime-jenkins", "s/-Xmx\\([0-9]*\\)m/-Xmx1\\1m/"),
    "its plugins are those of the lock": changed(
        f"{HOME}/plugins/standin.jpi", "$ a more", f"jenkins: {CONVERGED}Bring the plugins of the lock", RESTARTED
    ),
    "its home is backed up every night": Break(
        "systemctl stop primetime-jenkins-backup.timer",
        "systemctl start primetime-jenkins-backup.timer",
        (f"jenkins: {CONVERGED}Keep Jenkins' backup on time",),
    ),
    "what backs it up is exposed little": overridden(
        "primetime-jenkins-backup", f"printf '%s\\n' {shlex.join(NO_FILTER)}"
    ),
    "nobody else reads its backups": mode(
        "/var/backups/primetime-jenkins", "755", "700", f"jenkins: {CONVERGED}Make the folder of backups"
    ),
    "the proxy's configuration is valid": replace(NONSENSE, mend=f"{NONSENSE.mend} && {RELOAD}"),
    "the distribution's units stay off": Break(
        "rm /etc/systemd/system/nginx.service && systemctl daemon-reload",
        "ln -s /dev/null /etc/systemd/system/nginx.service && systemctl daemon-reload",
        (f"jenkins: {CONVERGED}Mask the distribution's nginx",),
    ),
    "is as converged": changed(f"{FOLDER}/jenkins.yaml", "$ a # by hand", CONFIGURED, RESTARTED),
}
