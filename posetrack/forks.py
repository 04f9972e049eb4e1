"""Open networks in processes that come later: forked children, copies, pickles.

A fork copies memory but no threads: a library that waits for its threads in the child waits for
ever. What onnxruntime and OpenVINO have open is therefore opened again there, from the file or
bytes that it came from. Torch has no such thing to open again; in children it computes with one
thread, as in its own data loaders.

A child ends with ``os._exit``, as those of `multiprocessing` do: what onnxruntime itself does at
the end of a process (1.32) waits for the parent's threads, whether the child used it or not.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any


class Reopening:
    """What a library has open, opened again in a forked child and wherever it is copied to.

    Its attributes are those of what is open.

    Parameters
    ----------
    open_it
        Opens it; a function of a module, so that it can be pickled.
    *arguments, **settings
        For that function.

    Examples
    --------
    >>> import io, pickle
    >>> session = Reopening(io.StringIO, "what was read")
    >>> session.getvalue()
    'what was read'
    >>> pickle.loads(pickle.dumps(session)).getvalue()
    'what was read'
    """

    def __init__(self, open_it: Callable[..., Any], *arguments: Any, **settings: Any) -> None:
        self._source = (open_it, arguments, settings)
        self._opened, self._process = open_it(*arguments, **settings), os.getpid()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked for by copy and pickle before there is a state
            raise AttributeError(name)
        return getattr(self.opened(), name)

    def opened(self) -> Any:
        """What is open in this process."""
        if self._process != os.getpid():
            open_it, arguments, settings = self._source
            # The parent's is kept: to end it would be to wait for its threads.
            _keep_for_ever(self._opened)
            self._opened, self._process = open_it(*arguments, **settings), os.getpid()
        return self._opened

    def __del__(self) -> None:
        # A child that ends would end the parent's, too, and wait for its threads.
        with suppress(Exception):  # at the end of a process modules are gone in any order
            if self._process not in (None, os.getpid()):
                _keep_for_ever(self._opened)

    def __getstate__(self) -> dict[str, Any]:
        return {"_source": self._source, "_opened": None, "_process": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _keep_for_ever(opened: Any) -> None:
    """Never end it, not even when the process does."""
    if opened is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(opened))


@cache
def prepare_torch_for_forks() -> None:
    """From now on torch has one thread in forked children, where it would wait for more for ever.

    Those who know that nothing ran before the fork may call ``torch.set_num_threads`` there.
    """
    if hasattr(os, "register_at_fork"):
        import torch

        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
