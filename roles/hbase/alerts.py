"""What keeps events from being stored."""

from primetime.alerts import Alert

ALERTS = (
    Alert(
        name="RegionsUnavailable",
        expression="assignment_manager_rit_count > $threshold",
        threshold=0,
        reason="a region that is on no RegionServer takes no event; a move or a restart brings it back within seconds",
        lasts_s=60,  # a session that ends (10 s) and a replay of its log are over by then
        severity="page",
        says="HBase's master on {{ $labels.node }} has {{ $value }} regions that no RegionServer serves.",
    ),
    Alert(
        name="RegionServerDead",
        expression="server_num_dead_region_servers > $threshold",
        threshold=0,
        reason="the others serve its regions, with less room; the only one's are served by nobody",
        lasts_s=60,  # it starts again by itself within half of it
        severity="page",
        says="HBase's master on {{ $labels.node }} counts {{ $value }} RegionServers as dead.",
    ),
)
