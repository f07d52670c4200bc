"""What compiled code raises to speak to its caller."""

from __future__ import annotations


class NotMine(Exception):
    """The arguments have other shapes than the code was emitted for: another specialisation must take the call."""


class WorkspaceTooSmall(Exception):
    """The workspace has fewer bytes than the exception's argument, which the code needs at these sizes."""
