"""Tags that guards and operators understand each other by, on all that a topology has. Called by both."""

OWNER = "primetime:topology"  # whose a thing is
NAME = "primetime:name"  # which of its resources it is; of a volume: its group
SHIPPED = "primetime:shipped"  # on a spool's volume: nothing is left on it, so it may be deleted (when: the value)
KEPT = "primetime:kept"  # on a spool's volume: what is left on it cannot be shipped (why: the value)

LEAST = "primetime:min"  # on a group: its minimum as it is declared
FROZEN = "primetime:frozen"  # on a group: who has suspended, or let go on, what would take members away
BY_CALENDAR, BY_HAND, ENDED = "by the calendar", "by hand", "ended by hand"
SUSPENDED = ("ReplaceUnhealthy", "AZRebalance")  # what would take members away in the middle of a show

SPOOL_DEVICE = "/dev/sdf"  # what a collector's own volume is attached as
ADOPTED_DEVICES = tuple(f"/dev/sd{letter}" for letter in "ghijklmnop")  # others' volumes
