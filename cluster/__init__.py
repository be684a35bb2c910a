"""Runs on Ray: configuration, engine, run folders, reports and the command line."""

from __future__ import annotations

__version__ = "0.1.0"
