"""A topology's machines on EC2: wanted, found, planned, made and removed. Called by the verbs plan, up, down, scale.

One noun, one file: wanted (from the topology), found (from AWS, by tag), plan (the difference, pure), steps (carrying
one out), machines (the verbs), lock, schedule (shows → scheduled actions), prices.
"""
