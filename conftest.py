"""What holds for every test and example: it comes out the same after any other, at any load."""

from __future__ import annotations

import gc
import locale
import os
import random
import re
import signal
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A worker has a core: further threads wait for each other longer than they work. OpenMP, MKL and
# OpenBLAS read this when they are loaded, and programs that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"
# Neither what the user has set for the package nor the width of the terminal is for tests to see.
_SETTINGS = re.compile(
    "(POSETRACK|WANDB|MLFLOW)_.*|SOURCE_DATE_EPOCH|(LOCAL_)?RANK|WORLD_SIZE|.*_proxy", re.IGNORECASE
)
for _name in filter(_SETTINGS.fullmatch, list(os.environ)):
    del os.environ[_name]
os.environ["COLUMNS"] = "80"

# The same examples on every machine, and no clock decides. ``--hypothesis-profile=search`` draws
# new ones in each run, to find what these do not.
settings.register_profile(
    "same", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile(
    "search", settings.get_profile("same"), derandomize=False, print_blob=True
)
settings.load_profile("same")

# Streamlit runs the page from top to bottom, so that it cannot load Streamlit at first use.
collect_ignore = [] if find_spec("streamlit") else ["posetrack/app/page.py"]


def pytest_configure() -> None:
    """Ctrl-C counts, though shells let what runs in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--shuffle SEED``."""
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="run the tests in an order drawn with this seed"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Any order, over all modules; workers of xdist draw the same."""
    seed = config.getoption("shuffle")
    if seed is not None:
        random.Random(seed).shuffle(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each worker takes neighbours, so that what a module's tests share is made once.

    Dealt out in turn, as is xdist's habit, each worker makes it for itself.
    """
    if config.getvalue("dist") != "load":
        return None  # somebody has asked for something else
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


def _seed_libraries() -> None:
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Fixtures draw the same numbers whatever ran before."""
    _seed_libraries()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """And so does a test, whether it is the first to use a fixture or not."""
    _seed_libraries()


def _shared_state() -> dict[str, Any]:
    """What a process has once, so that a test which changes it changes the tests after it."""
    state: dict[str, Any] = {f"${name}": value for name, value in os.environ.items()}
    state.pop("$PYTEST_CURRENT_TEST", None)  # pytest's own, another in each phase
    state["working directory"] = Path.cwd()
    # Some libraries add a folder of their own when they are loaded first; that misleads nobody.
    state["import path"] = [place for place in sys.path if "site-packages" not in place]
    state["locale"] = locale.setlocale(locale.LC_ALL)
    state["signals"] = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    state["threads"] = [
        thread.name
        for thread in threading.enumerate()
        # A network's own threads live as long as it, which may be a fixture of several tests.
        if thread.name.startswith("posetrack") and not thread.name.startswith("posetrack-onnx")
    ]
    if numpy := sys.modules.get("numpy"):
        state["numpy.geterr"] = numpy.geterr()
    if torch := sys.modules.get("torch"):
        state["torch.get_num_threads"] = torch.get_num_threads()
        state["torch.is_grad_enabled"] = torch.is_grad_enabled()
        state["torch.get_default_dtype"] = torch.get_default_dtype()
    if cv2 := sys.modules.get("cv2"):
        state["cv2.getNumThreads"] = cv2.getNumThreads()
    return state


@pytest.fixture(autouse=True)
def _nothing_is_left_changed() -> Iterator[None]:
    """No test spoils the one after it, whichever that is."""
    before = _shared_state()
    yield
    after = _shared_state()
    if after["threads"] != before["threads"]:  # an object that nobody holds ends its threads
        gc.collect()
        after = _shared_state()
    # Libraries that a test is the first to load bring variables of their own.
    names = {*before, *(name for name in after if _SETTINGS.fullmatch(name[1:]))}
    changed = {
        name: (before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    }
    assert changed == {}, "left changed: name to (before, after)"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference numbers and real data beside the checkout; tests that need them skip without."""
    folder = Path(__file__).resolve().parents[1] / "shared"
    if not (folder / "reference").is_dir():
        pytest.skip("reference data is not beside this checkout (../shared)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _kernels_of_this_machine() -> Iterator[None]:
    """Tests with a ``POSETRACK_HOME`` of their own load compiled kernels, as all others do."""
    from posetrack import files
    from posetrack.ops import compilation

    folder = files.cache_folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compilation, "cache_folder", lambda: folder)
        yield
