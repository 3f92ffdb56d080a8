"""Whether a package is installed. A folder of that name in the working directory does not count."""

from __future__ import annotations

from importlib.util import find_spec


def is_installed(name: str) -> bool:
    """Whether a package is installed. Python also finds a folder without ``__init__.py``, as a package without a
    file.
    """
    try:
        specification = find_spec(name)
    except (ImportError, ValueError):
        return False
    return specification is not None and specification.origin is not None
