"""A topology's machines on EC2: wanted, found, planned, made and removed. Called by the verbs plan, up, down, scale.

One noun, one file: wanted (from the topology), found (from AWS, by tag), plan (the difference, pure), steps (carrying
one out), removal, machines (the verbs), lock, freeze, schedule (shows → scheduled actions), prices.

How a machine configures itself: parcel (the signed bundle), user_data (boot, and what it has to know), permissions
(what its role may do), and on the machine boot (fetch, check, complete the hook) and configure (converge, verify).
living is the inventory of who is there, ways how ssh reaches them, names where things are that have no tags.
"""
