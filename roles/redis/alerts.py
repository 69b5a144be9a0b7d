"""What stops counting."""

from primetime.alerts import Alert

ALERTS = (
    Alert(
        name="RedisNearlyFull",
        expression="redis_memory_used_bytes / redis_memory_max_bytes > $threshold",
        threshold=0.85,
        reason="what is left is for the burst that is on while somebody looks: at 100 % counting waits",
        lasts_s=60,
        severity="page",
        says="Redis on {{ $labels.node }} uses {{ $value | humanizePercentage }} of its memory: full, it cannot count.",
    ),
)
