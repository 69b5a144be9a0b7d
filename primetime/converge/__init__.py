"""Roles onto hosts: pyinfra as a library, in a process of its own (gevent patches the whole process it runs in)."""

from primetime.converge.report import ConvergeReport, Failure
from primetime.converge.run import converge

__all__ = ["ConvergeReport", "Failure", "converge"]
