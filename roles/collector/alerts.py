"""What keeps events on a collector, or keeps it from taking more."""

from primetime.alerts import Alert

# says that it takes traffic, and answers whoever asks from outside
PROVED = 'primetime_collector_ready == 1 and on (node) probe_success{group="collector"} == 1'

ALERTS = (
    Alert(
        name="SpoolOld",
        expression="primetime_collector_spool_oldest_seconds > $threshold",
        threshold=60,
        reason="seconds: a segment is sealed and gone within 15 as long as somebody empties the spool",
        lasts_s=60,  # a RegionServer's death, and the replay of its log, are over by then
        severity="page",
        says="{{ $labels.node }} has an event that is {{ $value | humanizeDuration }} old, and does not get rid of it.",
    ),
    Alert(
        name="ShowSoon",
        expression=(
            f"primetime_show_collectors > on () group_left () (count({PROVED}) or vector(0))"
            " and on (show) primetime_show_begins_timestamp_seconds - time() < $threshold * 60"
        ),
        threshold=15,
        reason="minutes: machines are launched 30 before a show; whoever has to find out what keeps them needs as many",
        lasts_s=30,
        severity="page",
        says=(
            "{{ $labels.show }} begins within 15 minutes, or is on, and needs {{ $value }} collectors: "
            "fewer take traffic, as {{ $labels.node }} sees it."
        ),
    ),
    Alert(
        name="SpoolFilling",
        expression="primetime_collector_spool_bytes / primetime_collector_spool_budget_bytes > $threshold",
        threshold=0.5,
        reason="what is left is for the bursts of tonight (13 million events); at 100 % phones get 503",
        lasts_s=30,
        severity="page",
        says="The spool of {{ $labels.node }} takes {{ $value | humanizePercentage }} of its budget: full, it refuses.",
    ),
)
