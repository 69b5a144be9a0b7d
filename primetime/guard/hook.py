"""The pause before an instance of a group ends, which its guard completes. Declared for EC2 by primetime.cloud."""

from primetime.drivers.autoscaling import LifecycleHook

# Without a word of the guard's it goes after five minutes: its spool is a volume that outlives it.
DRAIN = LifecycleHook("drain", "terminating", 300, "CONTINUE")
