"""What monitoring itself notices of any host, whatever runs there."""

from primetime.alerts import Alert

# A member of a group on EC2 is called after its instance. It is asked as soon as that runs, and answers when it has
# converged. If it never does, its launch hook, of half an hour, ends it.
_MEMBER = 'node=~".+-i-[0-9a-f]{8,}"'


def _silent(metric: str, of: str = "") -> str:
    """What does not answer, but for what a new member has yet to start."""
    members = f"{metric}{{{_MEMBER}}}"
    known = f"{members} offset 30m or max_over_time({members}[30m]) > 0"
    return f"{metric}{of} < $threshold unless ({members} unless ({known}))"


ALERTS = (
    Alert(
        name="Watchdog",
        expression="vector(1) > $threshold",
        threshold=0,
        reason="it always fires: whoever receives alerts misses it when none can arrive",
        lasts_s=0,
        severity="none",
        says="Alerts arrive.",
    ),
    Alert(
        name="TargetDown",
        expression=_silent("up", '{job!="probe"}'),
        threshold=1,
        reason="a daemon that cannot say how it is may be gone, and no other alert of it can fire meanwhile",
        lasts_s=60,  # a JVM restarts within half of it
        severity="page",
        says="{{ $labels.job }} on {{ $labels.node }} has not told Prometheus anything for a minute.",
    ),
    Alert(
        name="CertificateExpiring",
        expression="(probe_ssl_earliest_cert_expiry - time()) / 86400 < $threshold",
        threshold=21,
        reason="days: a converge renews what a host has made itself at 30; what others sign can take them two weeks",
        lasts_s=60,
        severity="ticket",
        says=(
            'The certificate that {{ $labels.group }} on {{ $labels.node }} shows ends in {{ $value | printf "%.0f" }} '
            "days."
        ),
    ),
    Alert(
        name="EndpointSilent",
        expression=_silent("probe_success"),
        threshold=1,
        reason="what other hosts or phones connect to must take a connection and answer",
        lasts_s=60,
        severity="page",
        says="{{ $labels.group }} on {{ $labels.node }} does not answer at {{ $labels.instance }}.",
    ),
)
