"""The shape of the package: imports point downward, and the top stays light."""

import ast
import importlib.util
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import posetrack

PACKAGE = Path(posetrack.__file__).parent

# From the ground up; a module may import from its own line and from those before it.
LAYERS = (
    {
        "skeletons",
        "structures",
        "interfaces",
        "images",
        "checks",
        "files",
        "devices",
        "_lazy",
    },
    {"ops"},
    {"weights", "networks", "checkpoints"},
    {"runtimes", "export"},
    {"detectors", "flows", "estimators"},
    {"build"},
    {"selftest"},
    {"video", "formats", "trajectories", "draw"},
    {"tracking"},
    {"evaluation", "training", "cleaning", "analysis", "plots", "audit", "world", "testing"},
    {"runs"},
    {"reports", "service", "cluster"},
    {"cli", "__main__"},
    {"app"},
)


def modules() -> dict[str, Path]:
    """Dotted name below the package, for each file."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
        if path != PACKAGE / "__init__.py"
    }


def imported(path: Path) -> set[str]:
    """First parts below ``posetrack`` that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module != "posetrack":
            names.add(node.module)
        elif isinstance(node, ast.ImportFrom) and node.module == "posetrack":
            names |= {f"posetrack.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    own = {name.split(".")[1] for name in names if name.startswith("posetrack.")}
    return own - {"__version__"}


def level(part: str) -> int:
    found = [number for number, layer in enumerate(LAYERS) if part in layer]
    assert found, f"posetrack.{part} is in no layer: give it a place in tests/test_layers.py"
    return found[0]


def test_imports_point_downward() -> None:
    upward = [
        f"{module} imports {target}"
        for module, path in modules().items()
        for target in imported(path)
        if level(target) > level(module.split(".")[0])
    ]
    assert upward == []


def test_no_part_of_the_package_imports_itself_in_a_ring() -> None:
    graph = {}
    for module, path in modules().items():
        part = module.split(".")[0]
        graph.setdefault(part, set()).update(imported(path) - {part})

    def reaches(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in graph.get(waiting.pop(), set()):
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return seen

    assert [part for part in graph if part in reaches(part)] == []


def test_every_room_is_named_where_the_package_is_explained() -> None:
    page = PACKAGE.parent / "docs" / "how_it_works.md"
    if not page.is_file():
        pytest.skip("the pages stand beside the package in a checkout only")
    named = set(re.findall(r"\w+", page.read_text(encoding="utf-8")))
    assert {module.split(".")[0] for module in modules()} - named == {"__main__"}


SAME_SUBJECT = {
    *("coco", "huggingface", "mpii", "onnx", "openpose", "posenet", "trtpose"),  # what is spoken
    *("boxes", "clothing", "gait", "inspection"),  # what it is of
    *("sources", "writer"),  # the videos of a command and of a batch; of a run and of a video
}
"""Names that several rooms use for one subject; the room says what each does with it."""


def test_files_of_one_name_have_one_subject() -> None:
    found: dict[str, list[Path]] = {}
    for path in modules().values():
        if path.name != "__init__.py" and path.parent.name != "cli":  # which names commands
            found.setdefault(path.stem, []).append(path)
    twice = {name for name, those in found.items() if len(those) > 1}
    assert twice == SAME_SUBJECT, "name a file by what is in it, or say here what two share"


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = (
        "torch",
        "numba",
        "cv2",
        "scipy",
        "matplotlib",
        "av",
        "onnxruntime",
        "pandas",
        "pyarrow",
        "msgspec",
    )
    code = f"import sys, posetrack; print([m for m in {heavy!r} if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_a_tracker_for_given_poses_needs_neither_torch_nor_opencv() -> None:
    code = (
        "import sys, numpy as np; from posetrack import COCO_17, Poses, Tracker;"
        "t = Tracker(); t.update(poses=Poses.from_keypoints(np.ones((1, 17, 2)), None, COCO_17));"
        "print([m for m in ('torch', 'cv2', 'onnxruntime') if m in sys.modules])"
    )
    assert run(code).strip() == "[]"


def offered() -> set[str]:
    """Every name that the package, a package or a module right in it says it offers."""
    rooms = ["posetrack"]
    for module in pkgutil.iter_modules(posetrack.__path__, "posetrack."):
        source = importlib.util.find_spec(module.name).origin
        if not module.name.startswith("posetrack._") and "__all__" in Path(source).read_text():
            rooms.append(module.name)
    return {f"{room}.{name}" for room in rooms for name in importlib.import_module(room).__all__}


def test_no_name_that_is_offered_is_a_modules_name_beside_it() -> None:
    # Importing the module would put it where the function or class was.
    known = {f"posetrack.{name}" for name in modules()}
    assert offered() & known == set()


def test_all_that_is_offered_is_in_the_list_of_public_names() -> None:
    listed = (Path(__file__).parent / "public_names.txt").read_text(encoding="utf-8").split()
    assert offered() - set(listed) == set(), "add to tests/public_names.txt, and to the changelog"
