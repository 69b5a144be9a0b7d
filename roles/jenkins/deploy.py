"""Jenkins: its package, or a war in its place, under a unit of ours; nginx before it; all it knows is written here."""

from pyinfra.api import deploy
from pyinfra.api.operation import OperationMeta
from pyinfra.operations import apt, files, systemd
from pyinfra.operations.util import any_changed

from primetime import certificate, here, units
from primetime.operations import rendered, secret_file, system_user, unpack_tar
from primetime.passwords import hashed
from primetime.pending import UNITS, load_due
from roles.java.deploy import WAIT_FOR
from roles.jenkins import accounts, repository
from roles.jenkins.brought import local
from roles.jenkins.jobs import JOBS
from roles.jenkins.plugins import locked, plugins_in, version
from roles.jenkins.settings import Jenkins

HOME = "/var/lib/primetime-jenkins"
FOLDER = "/etc/primetime/jenkins"
CONFIGURATION = f"{FOLDER}/jenkins.yaml"
PROXY = "/etc/primetime/jenkins-proxy"
PEM = f"{PROXY}/certificate.pem"
BACKUP = "/opt/primetime/bin/jenkins-home"
RUN = "/run/primetime-jenkins-proxy"
LOADED = f"{RUN}/loaded"  # as old as the configuration and certificate that the proxy has read


@deploy("Jenkins")
def jenkins() -> None:
    settings = here.mine(Jenkins)
    for service in ("nginx", "jenkins"):  # masked before they are installed, so that they never take a port
        files.link(name=f"Mask the distribution's {service}", path=f"{UNITS}/{service}.service", target="/dev/null")
    files.directory(name="Make room for Java's manual links", path="/usr/share/man/man1")  # slim images leave it out
    apt.packages(name="Install Java, git and nginx", packages=here.packages(Jenkins))
    systemd.service(name="Stop the distribution's nginx", service="nginx", running=False)
    system_user(name="Make Jenkins' user", user="jenkins", home=HOME)
    files.directory(name="Make Jenkins' home", path=HOME, user="jenkins", group="jenkins", mode="750")
    _controller(settings)
    _proxy(settings)
    _backup(settings)


def _controller(settings: Jenkins) -> None:
    files.put(name="Install wait-for", src="templates/java/wait-for.py", dest=WAIT_FOR, mode="755")
    configuration = secret_file(
        name="Write what Jenkins is configured as",
        content=rendered(
            "templates/jenkins/jenkins.yaml.j2",
            hashes={user: _hash(user) for user in accounts.MATRIX},
            matrix=accounts.MATRIX,
            jobs=JOBS,
            jenkins=settings,
            url=f"https://{here.address()}:{settings.port}/",
        ),
        dest=CONFIGURATION,
        group="jenkins",
        mode="640",
    )
    java = _java(settings)
    war, brought = _war(settings)
    plugins = plugins_in(
        name="Bring the plugins of the lock", home=HOME, lock=settings.plugins, place=settings.plugins_from
    )
    units.keep(
        "primetime-jenkins",
        "Jenkins",
        configuration,
        brought,
        plugins,
        src="templates/jenkins/primetime-jenkins.service.j2",
        new="configuration",
        reads=FOLDER,
        jenkins=settings,
        home=HOME,
        configuration=CONFIGURATION,
        java=java,
        flags=flags(settings),
        war=war,
        runs=_runs(settings),
        wait_for=WAIT_FOR,
    )


def _runs(settings: Jenkins) -> str:
    """What names its war and its plugins."""
    war = settings.war_sha256 if settings.war else f"the package's version {settings.version}"
    return f"{war}, plugins {version(locked(settings.plugins))}"


def _hash(user: str) -> str:
    return hashed(here.secret(f"jenkins_{user}").text, user, here.secret("jenkins_salt").text)


def flags(settings: Jenkins) -> list[str]:
    """Its JVM's flags."""
    return [
        f"-Xmx{here.heap_mb('jenkins')}m",
        "-XX:+ExitOnOutOfMemoryError",  # systemd starts it again; half a daemon would linger
        "-Djava.awt.headless=true",
        "-Djava.net.preferIPv4Stack=true",
        "-Djenkins.install.runSetupWizard=false",  # which would ask the first who comes for a password
        *settings.java_options,
    ]


def _java(settings: Jenkins) -> str:
    """The Java that it runs on: the distribution's, or one that was brought."""
    if not settings.java:
        return "/usr/bin/java"
    tar, folder = (
        local("jenkins_java", settings.java, settings.java_sha256),
        f"/opt/primetime/java-{settings.java_sha256[:12]}",
    )
    unpack_tar(name="Unpack the Java that was brought", tar=tar, into=folder)
    return f"{folder}/bin/java"


def _war(settings: Jenkins) -> tuple[str, OperationMeta]:
    """What it runs, and what brought it: its package, or a war in its place."""
    if not settings.war:
        return repository.WAR, repository.packaged(settings)
    brought = local("jenkins_war", settings.war, settings.war_sha256)
    place = f"/opt/primetime/jenkins-{settings.war_sha256[:12]}.war"
    return place, files.put(name="Bring the war", src=brought, dest=place, mode="644")


def _proxy(settings: Jenkins) -> None:
    system_user(name="Make the user of Jenkins' proxy", user="jenkins-proxy")
    files.directory(name="Make the folder of Jenkins' proxy", path=PROXY, mode="755")
    pem = _pem(settings)
    config = files.template(
        name="Write the proxy's nginx.conf",
        src="templates/jenkins/nginx.conf.j2",
        dest=f"{PROXY}/nginx.conf",
        mode="644",
        jenkins=settings,
        address=here.address(),
        certificate=PEM,
        run_path=RUN,
    )
    service = "primetime-jenkins-proxy"
    units.keep(
        service,
        "Jenkins' proxy",
        src="templates/jenkins/primetime-jenkins-proxy.service.j2",
        reads=f"{UNITS}/{service}.service",
        config=f"{PROXY}/nginx.conf",
        loaded=LOADED,
    )
    due = [load_due(written, reads=PROXY, loaded=LOADED) for written in (pem, config)]
    systemd.service(
        name="Load the changed certificate and configuration of Jenkins' proxy",
        service=service,
        reloaded=True,
        _if=lambda: any(one() for one in due),
    )


def _pem(settings: Jenkins) -> OperationMeta:
    if settings.certificate:
        return secret_file(
            name="Write the certificate that was given",
            content=certificate.given(here.secret("jenkins_certificate")),
            dest=PEM,
            user="jenkins-proxy",
            group="jenkins-proxy",
            mode="400",
        )
    return certificate.self_signed(
        name="Make a certificate that nobody else has signed",
        dest=PEM,
        user="jenkins-proxy",
        node=here.name(),
        address=here.address(),
        days=settings.certificate_days,
    )


def _backup(settings: Jenkins) -> None:
    files.directory(
        name="Make the folder of backups", path=settings.backup_path, user="jenkins", group="jenkins", mode="700"
    )
    files.template(
        name="Install what backs up and restores Jenkins' home",
        src="templates/jenkins/jenkins-home.py.j2",
        dest=BACKUP,
        mode="755",
        jenkins=settings,
        home=HOME,
    )
    written = [
        files.template(
            name=f"Write the {kind} of Jenkins' backup",
            src=f"templates/jenkins/primetime-jenkins-backup.{kind}.j2",
            dest=f"{UNITS}/primetime-jenkins-backup.{kind}",
            mode="644",
            jenkins=settings,
            program=BACKUP,
        )
        for kind in ("service", "timer")
    ]
    timer = "primetime-jenkins-backup.timer"
    systemd.daemon_reload(name="Read the changed units of Jenkins' backup", _if=any_changed(*written))
    systemd.service(
        name="Restart the timer of Jenkins' backup on its new time",
        service=timer,
        restarted=True,
        _if=written[1].did_change,
    )
    systemd.service(name="Keep Jenkins' backup on time", service=timer, running=True, enabled=True)
