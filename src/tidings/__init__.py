"""Tidings: activity feeds, notification inboxes, live delivery and trends from one self-hosted server."""

__version__ = "0.1.0"
