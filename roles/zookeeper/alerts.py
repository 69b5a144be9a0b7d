"""What brings the ensemble near its end."""

from primetime.alerts import Alert

# members that serve, less a majority
SPARE = '(sum(zookeeper_up) or vector(0)) - floor(count(up{job="zookeeper_exporter"}) / 2) - 1'

ALERTS = (
    Alert(
        name="QuorumThin",
        expression=f'(zookeeper_up == 0 or up{{job="zookeeper_exporter"}} == 0) and on () ({SPARE} < $threshold)',
        threshold=1,
        reason="members beyond a majority: with none, the next one that stops takes HBase with it",
        lasts_s=60,  # a member restarts within half of it
        severity="page",
        says="ZooKeeper on {{ $labels.node }} does not serve, and the ensemble has no other member to spare.",
    ),
)
