"""The guard of a collector on EC2: no scaling in takes an instance whose spool is not shipped.

While anything has waited in the spool for too long the instance is protected from scale-in; when it has to go it
leaves the balancer, its collector drains, and the terminate hook is completed when all of it is shipped. Run as
`python -m primetime.guard` on the instance. It keeps nothing: what it does next follows from what it sees, so it may
die at any moment.

It takes over the spools of instances in its zone that died without that: their volumes, until they are shipped.

One noun, one file: decision (what to do, pure), member (what EC2 says of this instance), adoption (others' spools),
quiet (its group during shows), marks (tags of theirs), hook (the pause before its end), agent (the loop).
"""
