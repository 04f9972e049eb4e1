"""How the Numba kernels are compiled: each once a machine and user, its machine code kept on disk.

That lies in ``kernels`` in the cache folder, never in the package: what a process writes there no
installer knows of, so it outlived ``pip uninstall`` and hid the next installation. Numba's own
cache is not used elsewhere either. It is stamped with the one file that a kernel stands in, so a
change of a function that the kernel calls went unnoticed; two processes that fill its index at
once can exchange each other's code; and a damaged file ends the program.

Here a file's name says all that its machine code depends on, see `kernel_key`. So nothing in the
folder is ever out of date, several versions of the package share it, and no index is needed.

The files are pickles, as Numba's are, holding machine code: to load one is to run it. A hash in
it finds damage, not malice. Others' code is kept out because the folder is the user's, and nobody
else can write to it or replace it; see `why_unsafe`.

Everything of Numba that is not public is asked for within ``try``: with a release that has changed
it, kernels are compiled anew in each process.
"""

from __future__ import annotations

import builtins
import hashlib
import os
import pickle
import re
import stat
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

import llvmlite
import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.files import cache_folder

try:
    from numba.core.caching import NullCache
except ImportError:  # a Numba with another cache; see `keep_on_disk`

    class NullCache:  # type: ignore[no-redef]
        """Stands in for Numba's class, so that no cache is one of these."""


_HEAD = b"posetrack kernel 1\n"
_DAY = 24 * 3600.0
_MAX_AGE = 60 * _DAY
_MAX_PLATFORMS = 6
_MAX_FILES = 1000


Function = TypeVar("Function", bound=Callable[..., Any])


def compile_kernel(function: Function, **options: Any) -> Function:
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


def keep_on_disk(kernel: Any, function: Callable[..., Any], options: dict[str, Any]) -> None:
    """Let a kernel look for its machine code on disk before it is compiled.

    Nothing changes where Numba is switched off (``NUMBA_DISABLE_JIT``), or is one that has no such
    place for a cache.
    """
    if isinstance(getattr(kernel, "_cache", None), NullCache):
        kernel._cache = _KernelCache(function, options)


class _KernelCache(NullCache):
    """The cache that a dispatcher of Numba reads before it compiles, and fills after."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self._function = function
        self._options = options

    @property
    def cache_path(self) -> str | None:
        """The folder, where there is one."""
        with suppress(OSError):
            return str(kernel_folder())
        return None

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled function for this signature if its file is here and whole, else None."""
        try:
            path = self._path(signature, target)
            content = path.read_bytes()
            head, digest = content[: len(_HEAD)], content[len(_HEAD) : len(_HEAD) + 32]
            body = memoryview(content)[len(_HEAD) + 32 :]
            if head != _HEAD or hashlib.sha256(body).digest() != digest:
                return None
            stored, reduced = pickle.loads(body)  # noqa: S301 (the user's own folder)
            if stored != signature:
                return None
            _mark_used(path)
            if not _is_linkable(reduced[0], target):
                target.refresh()  # brings what the code calls
            return _compile_result()._rebuild(target, *reduced)
        except Exception:  # not there, damaged, or another Numba: all end in compiling it
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a compiled function; where that cannot be done, nothing happens."""
        try:
            if any(not part.can_cache for part in result.lifted):
                return
            if result.library.has_dynamic_globals:  # addresses of this process
                return
            from numba.core.serialize import dumps

            path = self._path(signature, result.target_context)
            body: bytes = dumps((signature, result._reduce()))  # type: ignore[no-untyped-call]
            _write(path, _HEAD + hashlib.sha256(body).digest() + body)
            clear(path.parent.parent, keep=path.parent)
        except Exception:  # a full disk, a folder that cannot be written, another Numba
            return

    def _path(self, signature: Any, target: Any) -> Path:
        """Where the machine code for this signature is, or would be."""
        folder = _usable_folder() / _platform_key(tuple(target.codegen().magic_tuple()))
        name = f"{self._function.__module__}.{self._function.__qualname__}"
        legal = "".join(letter for letter in name if letter.isalnum() or letter in "._")[-80:]
        return folder / f"{legal}-{kernel_key(self._function, self._options, signature)}.kernel"


def _is_linkable(code: tuple[str, str, tuple[bytes, bytes]], target: Any) -> bool:
    """Whether all that machine code calls is in this process.

    Numba brings it by loading its knowledge of every function of NumPy, SciPy's linear algebra
    with it: most of the time of a first call whose code is on disk. Kernels call its runtime and
    Python, which are here without.
    """
    from llvmlite import binding
    from numba.core.runtime.nrt import rtsys

    rtsys.initialize(target)
    _, _, (_, bitcode) = code
    module = binding.parse_bitcode(bitcode)
    named = [*module.functions, *module.global_variables]
    called = (one.name for one in named if one.is_declaration and not one.name.startswith("llvm."))
    return all(binding.address_of_symbol(name) is not None for name in called)


def kernel_folder() -> Path:
    """The folder of machine code: ``kernels`` in the cache folder; it may not exist yet."""
    return cache_folder().absolute() / "kernels"


def _usable_folder() -> Path:
    """`kernel_folder`, made if need be.

    Raises
    ------
    OSError
        If it is missing and cannot be made, or others may write to it.

    Warns
    -----
    RuntimeWarning
        In the same cases where a place is known, once; and where it cannot be written.
    """
    folder = kernel_folder()
    reason = _why_unusable(folder)
    if reason:
        raise PermissionError(reason)
    return folder


@cache
def _why_unusable(folder: Path) -> str:
    """Why machine code is not kept in this folder; empty if it is. Looked into once a process."""
    try:
        for parent in reversed(folder.parents):
            if not parent.exists():
                with suppress(FileExistsError):
                    parent.mkdir(mode=0o755)  # at most: some masks would let others write
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        reason = why_unsafe(folder)
    except OSError as error:
        reason = str(error)
    if reason or not os.access(folder, os.W_OK):  # what is there is loaded, then: an image's
        warnings.warn(
            "compiled kernels are not kept, so each start takes longer: "
            f"{reason or f'{folder} cannot be written'}. Set "
            "POSETRACK_HOME to a folder that you can write, and nobody else",
            RuntimeWarning,
            stacklevel=2,
        )
    return reason


def why_unsafe(folder: Path) -> str:
    """Why someone else could have put files into ``folder``; empty where nobody could.

    The folder has to be a folder, no link, of this user's or root's, which nobody else may write;
    whatever leads there, each folder and each link, has to be theirs, too, and nobody else may
    write there, except where entries can be renamed by their owners only (as in ``/tmp``).
    With that no path can lead elsewhere between this check and a later use of it.

    On Windows there is no such check: the platform's cache folder is in the user's profile, which
    is closed to others.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as own:
    ...     why_unsafe(Path(own).resolve())
    ''
    """
    if not hasattr(os, "geteuid"):
        return ""
    user = os.geteuid()
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is not a folder"
    if status.st_uid not in (0, user):
        return f"{folder} belongs to another user"
    if status.st_mode & 0o022:
        return f"others may write to {folder}"
    for path, entry in _steps(folder.parent):
        if entry.st_uid not in (0, user):
            return f"{path} belongs to another user"
        if stat.S_ISLNK(entry.st_mode) or entry.st_mode & stat.S_ISVTX:
            continue
        # Many systems give each user a group of their own, with the same number.
        shared = 0o002 if entry.st_gid in (0, user) else 0o022
        if entry.st_mode & shared:
            return f"others may write to {path}"
    return ""


def _steps(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Each folder and each link between the root and ``path``, links followed."""
    here = Path(path.anchor)
    yield here, os.lstat(here)
    ahead = list(path.parts[1:])
    links = 0
    while ahead:
        part = ahead.pop(0)
        if part == "..":
            here = here.parent
            continue
        status = os.lstat(here / part)
        yield here / part, status
        if not stat.S_ISLNK(status.st_mode):
            here /= part
            continue
        links += 1
        if links > 40:
            raise OSError(f"{path}: too many links")
        target = (here / part).readlink()
        if target.is_absolute():
            here = Path(target.anchor)
            ahead[:0] = target.parts[1:]
        else:
            ahead[:0] = target.parts


@cache
def _platform_key(processor: tuple[Any, ...]) -> str:
    """Folder for the versions that make code and the processor that it is for."""
    facts = (
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        sys.version,
        sys.implementation.cache_tag,
        sys.platform,
        processor,  # the target, the processor's name and its features
        # What else has a say in the code, from NUMBA_OPT and the like.
        [
            (name, str(getattr(numba.config, name, None)))
            for name in (
                "OPT",
                "LOOP_VECTORIZE",
                "SLP_VECTORIZE",
                "ENABLE_AVX",
                "BOUNDSCHECK",
                "DEBUGINFO_DEFAULT",
            )
        ],
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def kernel_key(function: Callable[..., Any], options: dict[str, Any], signature: Any) -> str:
    """Hash of all that a kernel's machine code depends on, the platform aside.

    That is its signature and options, its bytecode and, as Numba takes them into the code, the
    values of the globals it names: numbers, and other kernels with all of theirs. Line numbers and
    comments are not in it, nor where the package lies.

    Raises
    ------
    TypeError
        If it uses something whose value cannot be put into a hash.

    Examples
    --------
    >>> first = kernel_key(lambda x: x + 1, {}, "int64")
    >>> first == kernel_key(lambda x: x + 1, {}, "int64")
    True
    >>> first == kernel_key(lambda x: x + 2, {}, "int64")
    False
    """
    digest = hashlib.sha256(repr(signature).encode())
    for fact in _facts(function, options, {}):
        digest.update(fact.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()[:40]


def _facts(
    function: Callable[..., Any], options: dict[str, Any], seen: dict[int, int]
) -> Iterator[str]:
    """Texts that say what a function does, and then those of the kernels it calls."""
    if not isinstance(function, FunctionType):
        raise TypeError(f"cannot tell what {function!r} does")
    if id(function) in seen:  # it is called twice, or calls itself
        yield f"the function {seen[id(function)]}"
        return
    seen[id(function)] = len(seen)
    yield from _values(options, seen)
    yield from _values(function.__defaults__, seen)
    yield from _values(function.__kwdefaults__, seen)
    for cell in function.__closure__ or ():
        yield from _values(cell.cell_contents, seen)
    names: set[str] = set()
    yield from _code_facts(function.__code__, names)
    for name in sorted(names):
        if name in function.__globals__:
            yield name
            yield from _values(function.__globals__[name], seen, names)


def _code_facts(code: CodeType, names: set[str]) -> Iterator[str]:
    """Texts that say what bytecode does, functions within it included; gathers its names."""
    names.update(code.co_names)
    yield repr(
        (
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags,
            code.co_code,
            code.co_names,
            code.co_varnames,
            code.co_freevars,
            code.co_cellvars,
            getattr(code, "co_exceptiontable", b""),
        )
    )
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_facts(constant, names)
        else:
            yield from _values(constant, {})


def _values(value: Any, seen: dict[int, int], names: set[str] | None = None) -> Iterator[str]:
    """Texts for a value that a kernel uses; ``names`` are those it may ask a module for."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield f"{type(value).__qualname__} {value!r}"
    elif isinstance(value, np.generic | np.ndarray) and not value.dtype.hasobject:
        yield f"{value.dtype.descr} {value.shape} {value.tobytes().hex()}"
    elif isinstance(value, tuple | list):
        yield f"{type(value).__qualname__} {len(value)}"
        for item in value:
            yield from _values(item, seen)
    elif isinstance(value, set | frozenset):
        yield from sorted(repr(list(_values(item, seen))) for item in value)
    elif isinstance(value, dict):
        for key in sorted(value, key=repr):
            yield from _values((key, value[key]), seen)
    elif value is Ellipsis:
        yield "..."
    elif hasattr(value, "py_func") and hasattr(value, "targetoptions"):  # another kernel
        yield from _facts(value.py_func, value.targetoptions, seen)
    elif isinstance(value, ModuleType):
        yield value.__name__
        if not _has_version(value.__name__):
            for name in sorted(names or ()):
                if hasattr(value, name):
                    yield from _values(getattr(value, name), seen, names)
    elif isinstance(value, _CALLED) and _has_version(value.__module__ or builtins.__name__):
        yield f"{value.__module__} {value.__name__}"
    else:
        raise TypeError(f"cannot put {value!r} into a hash")


_VERSIONED = {"builtins", "cmath", "math", "numba", "numpy", "operator"}
_CALLED = (BuiltinFunctionType, FunctionType, type, np.ufunc, type(np.sum))


def _has_version(module: str) -> bool:
    """Whether a module is one whose version is in `_platform_key`."""
    return module.partition(".")[0] in _VERSIONED


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, even where two processes write it at once."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_name(f"{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _mark_used(path: Path) -> None:
    """Note by its time of change that a file is still in use, at most once a day."""
    now = time.time()
    for used in (path, path.parent):
        if now - used.stat().st_mtime > _DAY:
            os.utime(used)


def clear(folder: Path, *, keep: Path) -> None:
    """Remove old files and those beyond the limit, least recently used first.

    At most 6 platforms (see `_platform_key`) are kept, ``keep`` always; of each at most 1000
    files; nothing that was not used for 60 days. A process that wants a file which is removed at
    the time has read it whole, or compiles it anew; so any number of processes may clear at once.
    """
    now = time.time()
    platforms = [path for path in _by_last_use(folder) if path != keep and _is_platform(path)]
    for number, platform in enumerate([keep, *platforms]):
        files = [path for path in _by_last_use(platform) if path.suffix in (".kernel", ".part")]
        for count, path in enumerate(files):
            with suppress(OSError):
                age = now - path.stat().st_mtime
                longest = _DAY if path.suffix == ".part" else _MAX_AGE
                if number >= _MAX_PLATFORMS or count >= _MAX_FILES or age > longest:
                    path.unlink()
        if platform != keep:
            with suppress(OSError):  # not empty: it stays
                platform.rmdir()


def _is_platform(path: Path) -> bool:
    """Whether this is a folder of ours, and not what a user keeps or has linked there."""
    return re.fullmatch("[0-9a-f]{16}", path.name) is not None and not path.is_symlink()


def _by_last_use(folder: Path) -> list[Path]:
    """What is in a folder, the most recently used first."""
    times: list[tuple[float, Path]] = []
    with suppress(OSError):
        for entry in os.scandir(folder):
            with suppress(OSError):
                times.append((entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)))
    return [path for _, path in sorted(times, reverse=True)]


@cache
def _compile_result() -> Any:
    from numba.core.compiler import CompileResult

    return CompileResult
