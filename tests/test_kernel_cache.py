"""Machine code of the kernels on disk: right, the user's own, and never in the way."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import pickle
import pkgutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest

import posetrack
from posetrack import files
from posetrack.ops import compilation
from posetrack.ops.compilation import (
    clear,
    compile_kernel,
    keep_on_disk,
    kernel_folder,
    kernel_key,
    why_unsafe,
)

SOURCE = """
from posetrack.ops.compilation import compile_kernel

@compile_kernel
def caller(x):
    return x * 2 + 2
"""
CALLING = """
from posetrack.ops.compilation import compile_kernel

STEP = 1

@compile_kernel
def callee(x):
    return x + STEP

@compile_kernel
def caller(x):
    return callee(x) * 2
"""
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners are POSIX's")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(compilation, "cache_folder", files.cache_folder)
    return tmp_path / "home"


def start(source: str = SOURCE):
    """The kernel ``caller`` as a new process would find it."""
    names: dict = {"__name__": "kernels_of_a_test"}
    exec(source, names)
    return names["caller"]


def loaded(kernel) -> int:
    return sum(kernel.stats.cache_hits.values())


def stored(home: Path, name: str = "caller") -> Path:
    (path,) = home.glob(f"kernels/*/*{name}-*.kernel")
    return path


class TestLoading:
    def test_a_kernel_is_compiled_once(self, home):
        first, second = start(), start()
        assert (first(3), second(3)) == (8, 8)
        assert (loaded(first), loaded(second)) == (0, 1)
        assert stored(home).parent.parent == kernel_folder()

    def test_what_is_on_disk_runs_without_all_that_numba_knows_of_numpy(self, home):
        code = (
            "import sys, numpy as np\n"
            "from posetrack.ops.boxes import iou_matrix\n"
            "boxes = np.array([[0.0, 0, 9, 9]])\n"
            "assert iou_matrix(boxes, boxes).tolist() == [[1.0]]\n"
            "print(*{'numba.np.arraymath', 'scipy.linalg'} & set(sys.modules))"
        )
        runs = [
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            ).stdout.split()
            for _ in range(2)
        ]
        assert "numba.np.arraymath" in runs[0]  # it had to be compiled
        assert runs[1] == []

    def test_code_that_calls_what_is_not_here_brings_it_first(self, monkeypatch):
        assert start()(3) == 8
        brought = []
        monkeypatch.setattr(compilation, "_is_linkable", lambda *_: brought.append(True))
        again = start()
        assert (again(3), loaded(again), brought) == (8, 1, [True])

    def test_each_signature_has_its_file(self, home):
        first, second = start(), start()
        assert (first(3), first(0.5)) == (8, 3.0)
        assert (second(0.5), second(3)) == (3.0, 8)
        assert loaded(second) == 2

    def test_a_change_of_what_it_calls_and_uses_is_noticed(self):
        assert start(CALLING)(3) == 8
        again = start(CALLING)
        assert (again(3), loaded(again)) == (8, 1)
        for before, after, expected in (
            ("x + STEP", "x + STEP + 1", 10),  # the function it calls
            ("STEP = 1", "STEP = 2", 10),  # a number that one uses
            ("* 2", "* 3", 12),  # its own
        ):
            changed = start(CALLING.replace(before, after))
            assert (changed(3), loaded(changed)) == (expected, 0)

    def test_options_are_in_the_key(self):
        assert start()(3) == 8
        changed = start(
            SOURCE.replace("@compile_kernel", "@partial(compile_kernel, fastmath=True)").replace(
                "from", "from functools import partial\nfrom", 1
            )
        )
        assert (changed(3), loaded(changed)) == (8, 0)

    def test_a_comment_or_another_line_changes_nothing(self):
        assert start()(3) == 8
        moved = start("\n\n# more\n" + SOURCE)
        assert moved(3) == 8
        assert loaded(moved) == 1

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda content: b"",
            lambda content: content[: len(content) // 2],
            lambda content: content[:-1],
            lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
            lambda content: pickle.dumps(["another", "program's"]),
            lambda content: whole(pickle.dumps(["another", "program's"])),
            lambda content: whole(pickle.dumps(("another signature", ()))),
        ],
        ids=["empty", "cut", "one byte short", "one bit", "foreign", "a list", "signature"],
    )
    def test_a_damaged_file_is_compiled_anew_and_replaced(self, home, spoil):
        assert start()(3) == 8
        path = stored(home)
        path.write_bytes(spoil(path.read_bytes()))
        anew, again = start(), start()
        assert (anew(3), again(3)) == (8, 8)
        assert (loaded(anew), loaded(again)) == (0, 1)

    def test_what_is_not_ours_is_not_unpickled(self, home):
        assert start()(3) == 8
        path = stored(home)
        path.write_bytes(pickle.dumps(Marker(home / "run")))
        assert start()(3) == 8
        assert not (home / "run").exists()


class Marker:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def whole(body: bytes) -> bytes:
    return compilation._HEAD + hashlib.sha256(body).digest() + body


class TestWhereNothingIsKept:
    def test_a_folder_that_cannot_be_made(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "file" / "home"))
        with pytest.warns(RuntimeWarning, match="POSETRACK_HOME"):
            assert start()(3) == 8

    def test_that_is_said_once(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "file" / "home"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert (start()(3), start()(0.5)) == (8, 3.0)
        assert len(caught) == 1

    def test_no_home(self, monkeypatch):
        monkeypatch.delenv("POSETRACK_HOME")
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        if os.name == "posix":
            with pytest.raises(FileNotFoundError, match="set POSETRACK_HOME"):
                files.cache_folder()
        assert start()(3) == 8

    def test_a_full_disk(self, monkeypatch, home):
        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(compilation, "_write", full)
        assert start()(3) == 8
        assert list(home.glob("kernels/*/*")) == []

    @posix
    def test_a_folder_of_another_user(self, monkeypatch, home):
        (home / "kernels").mkdir(parents=True, mode=0o700)
        owned_by_another(monkeypatch, "kernels")
        with pytest.warns(RuntimeWarning, match="belongs to another user"):
            assert start()(3) == 8
        assert list((home / "kernels").iterdir()) == []

    @posix
    @pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
    def test_a_folder_that_others_may_write(self, home, mode):
        (home / "kernels").mkdir(parents=True)
        (home / "kernels").chmod(mode)
        with pytest.warns(RuntimeWarning, match="others may write"):
            assert start()(3) == 8
        assert list((home / "kernels").iterdir()) == []

    @posix
    def test_a_folder_in_one_that_others_may_write(self, home):
        home.mkdir()
        home.chmod(0o777)
        with pytest.warns(RuntimeWarning, match="others may write"):
            assert start()(3) == 8

    @posix
    def test_a_link_in_its_place(self, home, tmp_path):
        home.mkdir()
        (tmp_path / "own").mkdir(mode=0o700)
        (home / "kernels").symlink_to(tmp_path / "own")
        with pytest.warns(RuntimeWarning, match="is not a folder"):
            assert start()(3) == 8
        assert list((tmp_path / "own").iterdir()) == []


def owned_by_another(monkeypatch, *names: str) -> None:
    real = os.lstat

    def lstat(path):
        status = real(path)
        if Path(path).name not in names:
            return status
        return os.stat_result([*status[:4], 4321, *status[5:]])

    monkeypatch.setattr(os, "lstat", lstat)


@posix
class TestWhoCouldWrite:
    def test_links_of_the_users_own_are_followed(self, tmp_path):
        (tmp_path / "there" / "kernels").mkdir(parents=True)
        (tmp_path / "here").symlink_to("there")
        assert why_unsafe(tmp_path / "here" / "kernels") == ""
        (tmp_path / "there").chmod(0o777)
        assert why_unsafe(tmp_path / "here" / "kernels") == f"others may write to {tmp_path}/there"

    def test_a_folder_where_only_owners_rename_is_fine(self, tmp_path):
        (tmp_path / "shared" / "kernels").mkdir(parents=True)
        (tmp_path / "shared").chmod(0o1777)
        assert why_unsafe(tmp_path / "shared" / "kernels") == ""

    def test_links_and_folders_of_others_are_not(self, tmp_path, monkeypatch):
        (tmp_path / "there" / "kernels").mkdir(parents=True)
        (tmp_path / "link").symlink_to("there")
        owned_by_another(monkeypatch, "link", "middle")
        assert why_unsafe(tmp_path / "there" / "kernels") == ""
        assert "another user" in why_unsafe(tmp_path / "link" / "kernels")
        (tmp_path / "middle" / "kernels").mkdir(parents=True)
        assert "another user" in why_unsafe(tmp_path / "middle" / "kernels")

    def test_links_in_a_ring_end(self, tmp_path):
        (tmp_path / "one").symlink_to("two")
        (tmp_path / "two").symlink_to("one")
        with pytest.raises(OSError, match="links"):
            why_unsafe(tmp_path / "one" / "kernels")

    def test_what_is_made_is_closed_to_others_whatever_the_mask(self, home):
        before = os.umask(0)
        try:
            assert start()(3) == 8
        finally:
            os.umask(before)
        made = stored(home).parent
        assert [path.stat().st_mode & 0o777 for path in (home, made.parent, made)] == [
            0o755,
            0o700,
            0o700,
        ]


class TestClearing:
    def make(self, folder: Path, name: str, days: float, files: int = 1) -> Path:
        platform = folder / name
        platform.mkdir(parents=True)
        for number in range(files):
            (platform / f"{number}.kernel").write_bytes(b"")
            age(platform / f"{number}.kernel", days)
        age(platform, days)
        return platform

    def test_platforms_used_last_are_kept(self, tmp_path):
        names = [f"{number:016x}" for number in range(9)]
        for number, name in enumerate(names):
            self.make(tmp_path, name, days=number)
        clear(tmp_path, keep=tmp_path / names[8])
        assert sorted(path.name for path in tmp_path.iterdir()) == [*names[:5], names[8]]

    def test_what_was_not_used_for_long_goes(self, tmp_path):
        old, new = (self.make(tmp_path, name * 16, days) for name, days in (("a", 61), ("b", 59)))
        clear(tmp_path, keep=new)
        assert not old.exists()
        assert len(list(new.iterdir())) == 1

    def test_a_platform_is_bounded(self, tmp_path, monkeypatch):
        monkeypatch.setattr(compilation, "_MAX_FILES", 10)
        platform = self.make(tmp_path, "a" * 16, days=1, files=12)
        age(platform / "0.kernel", 5)
        age(platform / "1.kernel", 5)
        clear(tmp_path, keep=platform)
        assert sorted(path.name for path in platform.iterdir()) == sorted(
            f"{number}.kernel" for number in range(2, 12)
        )

    def test_leftovers_of_ended_processes_go_after_a_day(self, tmp_path):
        platform = self.make(tmp_path, "a" * 16, days=0)
        for name, days in (("old", 2), ("new", 0.5)):
            (platform / f"{name}.part").write_bytes(b"")
            age(platform / f"{name}.part", days)
        clear(tmp_path, keep=platform)
        assert sorted(path.name for path in platform.iterdir()) == ["0.kernel", "new.part"]

    def test_files_of_others_stay(self, tmp_path):
        mine = tmp_path / "holiday" / "0.kernel"
        self.make(tmp_path, "holiday", days=99)
        elsewhere = self.make(tmp_path / "elsewhere", "b" * 16, days=99)
        (tmp_path / "c0c0c0c0c0c0c0c0").symlink_to(elsewhere)
        clear(tmp_path, keep=self.make(tmp_path, "a" * 16, days=0))
        assert mine.exists()
        assert (elsewhere / "0.kernel").exists()

    def test_use_is_noted(self, home):
        assert start()(3) == 8
        path = stored(home)
        age(path, 30)
        age(path.parent, 30)
        assert start()(3) == 8
        now = time.time()
        assert now - path.stat().st_mtime < 24 * 3600
        assert now - path.parent.stat().st_mtime < 24 * 3600


def age(path: Path, days: float) -> None:
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))


class TestKeys:
    def test_every_kernel_of_the_package_has_one(self):
        found = 0
        for name in modules_with_kernels():
            module = importlib.import_module(name)
            for value in vars(module).values():
                if hasattr(value, "py_func") and value.py_func.__module__ == name:
                    kernel_key(value.py_func, value.targetoptions, "a signature")
                    found += 1
        assert found > 100

    def test_sets_have_one_order(self):
        code = (
            "from posetrack.ops.compilation import kernel_key\n"
            "def f(x):\n    return x in {'one', 'two', 'three', 'four'}\n"
            "print(kernel_key(f, {'fastmath': {'contract', 'nsz', 'arcp'}}, 's'))"
        )
        keys = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONHASHSEED": seed},
                check=True,
                capture_output=True,
            ).stdout
            for seed in "123"
        }
        assert len(keys) == 1

    def test_arrays_and_functions_within_are_in_it(self):
        table = np.arange(3)

        def kernel():
            return table[1]

        def inner(n):
            return [i + n for i in range(3)]

        def other(n):
            return [i - n for i in range(3)]

        first = kernel_key(kernel, {}, "")
        table[1] = 7
        assert kernel_key(kernel, {}, "") != first
        assert kernel_key(inner, {}, "") != kernel_key(other, {}, "")

    def test_what_cannot_be_hashed_has_none_and_still_runs(self, home):
        here = object()

        def kernel():
            return here

        with pytest.raises(TypeError, match="hash"):
            kernel_key(kernel, {}, "")
        source = CALLING.replace(
            "STEP = 1", "from collections import namedtuple\nPair = namedtuple('Pair', 'a b')"
        )
        assert start(source.replace("x + STEP", "Pair(x, 1).a + 1"))(3) == 8
        assert list(home.glob("kernels/*/*")) == []


def modules_with_kernels():
    for module in pkgutil.walk_packages(posetrack.__path__, "posetrack."):
        source = Path(importlib.util.find_spec(module.name).origin).read_text(encoding="utf-8")
        if "import compile_kernel" in source and module.name != "posetrack.ops.compilation":
            yield module.name


class TestNumba:
    def test_other_functions_keep_numbas_own_cache(self):
        own = numba.njit(cache=True)(kernel_key)
        assert type(own._cache).__module__.startswith("numba.")
        assert type(numba.njit(kernel_key)._cache).__module__.startswith("numba.")

    @pytest.mark.parametrize("method", ["_reduce", "_rebuild"])
    def test_a_release_without_its_private_calls_compiles_anew(self, monkeypatch, method, home):
        assert start()(3) == 8
        if method == "_reduce":
            stored(home).unlink()
        monkeypatch.delattr(numba.core.compiler.CompileResult, method)
        anew = start()
        assert anew(3) == 8
        assert loaded(anew) == 0

    def test_a_kernel_without_a_cache_is_left_as_it_is(self):
        class Kernel:
            _cache = "another release's"

        keep_on_disk(Kernel, kernel_key, {})
        assert Kernel._cache == "another release's"

    def test_functions_stay_functions_where_numba_is_switched_off(self):
        code = (
            "from posetrack.ops.compilation import compile_kernel\n"
            "def f(x):\n    return x\n"
            "assert compile_kernel(f) is f\n"
            "import posetrack.ops.boxes as boxes, numpy as np\n"
            "print(len(boxes.nms(np.ones((2, 4)), np.ones(2), max_iou=0.5)))"
        )
        environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_processes_that_start_together_agree_and_write_nothing_beside_the_module(home, tmp_path):
    module = tmp_path / "kernels_made.py"
    module.write_text(SOURCE)
    code = "import kernels_made as k; print(k.caller(3), k.caller(0.5), k.caller.stats.cache_hits)"

    def begin() -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        )

    together = [begin() for _ in range(3)]
    assert [process.communicate()[0].split()[:2] for process in together] == [["8", "3.0"]] * 3
    last = begin().communicate()[0]
    assert last.startswith("8 3.0")
    assert last.count(": 1") == 2
    assert list(tmp_path.rglob("*.nb?")) == []
    assert list(home.rglob("*.part")) == []


def test_kernels_can_be_made_of_functions_without_a_file(home):
    assert compile_kernel(lambda x: 2 * x)(4) == 8
