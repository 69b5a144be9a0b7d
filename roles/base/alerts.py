"""What any host's disks and memory can come to."""

from primetime.alerts import Alert

ALERTS = (
    Alert(
        name="DiskFullSoon",
        expression=(
            'predict_linear(node_filesystem_avail_bytes{fstype!="tmpfs"}[$window], $threshold * 3600) <= 0'
            " and node_filesystem_avail_bytes < 0.5 * node_filesystem_size_bytes"
            " and node_filesystem_avail_bytes offset $window > 0"  # a host that was made just now fills fast, and stops
        ),
        threshold=4,
        reason="hours: time to wake up, look, and make room before a collector refuses or HDFS stops taking blocks",
        lasts_s=300,
        severity="page",
        says="{{ $labels.mountpoint }} on {{ $labels.node }} is full in 4 hours, as it filled for the last 30 minutes.",
        window_s=1800,  # longer than a burst and what is merged after it
    ),
    Alert(
        name="SecretExpiring",
        expression="(time() - primetime_secret_set_timestamp_seconds) / 86400 > $threshold",
        threshold=335,
        reason="days: after a year too many may have seen a secret; a month is left to replace it",
        lasts_s=0,
        severity="ticket",
        says=(
            '{{ $labels.secret }} on {{ $labels.node }} is {{ $value | printf "%.0f" }} days old: '
            "replace it within a year."
        ),
    ),
)
