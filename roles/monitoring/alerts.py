"""What monitoring itself notices of any host, whatever runs there."""

from primetime.alerts import Alert

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
        expression='up{job!="probe"} < $threshold',
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
        expression="probe_success < $threshold",
        threshold=1,
        reason="what other hosts or phones connect to must take a connection and answer",
        lasts_s=60,
        severity="page",
        says="{{ $labels.group }} on {{ $labels.node }} does not answer at {{ $labels.instance }}.",
    ),
)
