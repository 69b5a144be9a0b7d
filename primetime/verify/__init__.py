"""Prove the machines: every promise of every role, by testinfra on the live hosts, and no drift by a dry converge."""

from primetime.verify.run import Broken, VerifyReport, verify

__all__ = ["Broken", "VerifyReport", "verify"]
