"""Secrets: a file per topology, each value encrypted under a key that is kept elsewhere.

`declared` is what a role's settings say; `store` the file, `keys` the key, `topology` which of both belong to whom.
"""
