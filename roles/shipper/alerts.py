"""What a shipper finds that it cannot store."""

from primetime.alerts import Alert

ALERTS = (
    Alert(
        name="EventsMissing",
        expression="primetime_shipper_lost_segments > $threshold or primetime_shipper_kept_segments > $threshold",
        threshold=0,
        reason="acknowledged events that are gone, damaged, or cannot be kept: the one thing that must never happen",
        lasts_s=0,  # the shipper itself waits before it calls a segment lost
        severity="page",
        says="{{ $labels.node }} has {{ $value }} segments of its spool that are gone, or cannot be stored whole.",
    ),
    Alert(
        name="DeadLettersRising",
        expression="sum by (node) (increase(primetime_shipper_dead_letters_total[$window])) > $threshold",
        threshold=0,
        reason="collectors refuse what cannot be stored: whatever writes it into the spool will go on doing so",
        lasts_s=0,
        severity="ticket",  # they are kept, and when there is no more room for them EventsMissing fires
        says=(
            '{{ $labels.node }} found {{ $value | printf "%.0f" }} events in 10 minutes '
            "that cannot be stored as they are."
        ),
        window_s=600,  # so long is it told of one
    ),
)
