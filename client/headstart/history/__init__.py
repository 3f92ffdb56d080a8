"""Bringing a history into the service and taking it out again: ``run_import`` and ``run_export``.

One module for each kind of source (``sources``) and each export format (``formats``); they need packages of extras and
are loaded when asked for. ``headstart import`` and ``headstart export`` are these two functions with a command line.
"""

from headstart.history.commands import EXPORT_FORMATS, IMPORT_SOURCES, run_export, run_import
from headstart.history.model import ExportReport, ImportReport, MissingExtra, Note, UsageProblem

__all__ = [
    "EXPORT_FORMATS",
    "IMPORT_SOURCES",
    "ExportReport",
    "ImportReport",
    "MissingExtra",
    "Note",
    "UsageProblem",
    "run_export",
    "run_import",
]
