"""A libcloud NodeDriver over systemd-nspawn: real Debian machines with systemd and sshd, without virtualisation.

One noun, one file: driver (libcloud's verbs), images, sources, network, machine (one host's start and stop), cgroup,
ssh, state (what is on disk), lock, leftovers (what is still there, by looking).
"""
