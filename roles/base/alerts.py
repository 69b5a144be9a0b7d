"""What any host's disks and memory can come to."""

from primetime.alerts import Alert

ALERTS = (
    Alert(
        name="DiskFullSoon",
        expression=(
            'predict_linear(node_filesystem_avail_bytes{fstype!="tmpfs"}[30m], $threshold * 3600) < 0'
            " and node_filesystem_avail_bytes < 0.5 * node_filesystem_size_bytes"
            " and node_filesystem_avail_bytes offset 25m > 0"  # a host that was made just now fills fast, and stops
        ),
        threshold=4,
        reason="hours: time to wake up, look, and make room before a collector refuses or HDFS stops taking blocks",
        lasts_s=300,
        severity="page",
        says="{{ $labels.mountpoint }} on {{ $labels.node }} is full in 4 hours, as it filled for the last 30 minutes.",
    ),
)
