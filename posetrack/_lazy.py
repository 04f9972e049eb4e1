"""Names that a package exports from its modules, loaded on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def export_lazily(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package that loads its modules when asked.

    What a type checker sees stands beside it, in imports under ``TYPE_CHECKING``.

    Parameters
    ----------
    package
        Its ``__name__``.
    names
        The names that each module below the package exports.

    Examples
    --------
    >>> load, listing, _ = export_lazily("json", {"decoder": ["JSONDecoder"]})
    >>> load("JSONDecoder").__name__, listing()
    ('JSONDecoder', ['JSONDecoder'])
    """
    modules = {name: module for module, those in names.items() for name in those}

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    def listing() -> list[str]:
        return sorted(modules)

    return load, listing, listing()
