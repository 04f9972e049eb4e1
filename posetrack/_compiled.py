"""How the Numba kernels are compiled, and the arrays they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack._kernel_cache import keep_on_disk

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, **options: Any) -> Function:
    """Compile ``function`` at its first call, and keep the machine code in the cache folder.

    Where it cannot be kept, the code is compiled anew in each process: slow to start beats not
    starting.
    """
    settings = {"nogil": True, "error_model": "numpy", **options}
    kernel: Function = numba.njit(**settings)(function)
    keep_on_disk(kernel, function, settings)
    return kernel


def kernel_input(values: ArrayLike, dtype: Any) -> NDArray[Any]:
    """``values`` as a writeable C-contiguous array of ``dtype``; copied only where they are not.

    Numba compiles again for each dtype, layout and read-only flag. Casting here keeps that to one
    or two versions of a kernel. Kernels never write to these arrays.
    """
    array = np.ascontiguousarray(values, dtype)
    return array if array.flags.writeable else array.copy()


def float_type(first: NDArray[Any], second: NDArray[Any] | None = None) -> Any:
    """Return float32 if all that is given is float32, else float64."""
    single = first.dtype.char == "f" and (second is None or second.dtype.char == "f")
    return np.float32 if single else np.float64
