"""The package as a house: how many rooms, floors and circles it has, and what is in them twice.

    python benchmarks/house.py                 # this checkout's package
    python benchmarks/house.py OTHER/posetrack # another, to compare
    python benchmarks/house.py --pairs         # and which functions are near-identical
    python benchmarks/house.py --words         # and which names are counted

Nothing of the package is imported; all is read from its source.

*Rooms* are the folders and the modules that stand loose, directly below the package. An *import* is
any statement that names a module of the package. Some rows count those alone that run when the
module is loaded: outside functions, and not under TYPE_CHECKING; others all. *Floors* are the
longest chain of imports, a circle counting as one floor; a *circle* is a set of modules (or rooms)
each of which imports each other one, directly or not.

*Lines of code* hold something other than a comment, a docstring or blanks.

*Near-identical*: two functions of at least ``LINES`` lines of code each, of which ``SHARE`` or more
of the runs of ``RUN`` nodes of their syntax trees are common to both (Dice's coefficient of the
multisets, in the order of a walk). Only kinds of nodes count: names and constants, annotations and
docstrings do not. *Identical* is a share of 1.

*What a function passes through*: the functions, classes and constants of the package that its body
names, those that theirs name, and so on; of a class all methods. A method that is called on a
variable is not followed, since its class is not known from the source. An attribute of a module is.
Lazy re-exports in an ``__init__`` are followed to where the name is defined.

*Names by participles*: functions whose name begins or ends in a participle of the past and which
are not annotated to give a boolean. *Strictly* all of them; else arrays of booleans are let
through, too, a verb in front (``check_known``) makes a verb of the whole, and a property is a
value, whose participle may describe a noun (``clipped_boxes``). *Words set aside*: names of
functions, classes, arguments and variables with such a word as a part, each name once a file.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LINES, SHARE, RUN = 5, 0.8, 4
SHORT = 100
FOLLOWED = {"build_estimator": ("build", "cli.build"), "read_any": ("formats.reading",)}
"""Functions, and where they are looked for first if there are several."""


def word_list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


IRREGULAR = frozenset(
    word_list("""
        begun bent born bought brought built caught chosen done drawn fallen fed felt found frozen
        given gone grown heard held hidden kept known laid led left lent lost made meant met moved
        paid said seen sent shown spent spun stood sunk taken taught thought thrown told torn
        understood won worn written
    """)
)
"""Without those that are verbs as they stand: cut, fit, put, read, set, split, spread, shut."""

NOT_PARTICIPLES = frozenset(
    word_list("bed embed exceed feed need proceed red seed shed speed succeed")
)
VERBS = frozenset(
    word_list("average check draw find list load make map open read require round run skip write")
)
"""What a function's name may begin with, whatever ends it."""
ASIDE = word_list("told said about form who way place touched made")
EMPTY = word_list("utils util helpers helper manager base")


@dataclass(frozen=True)
class Module:
    """One file: its dotted name below the package, its text and its syntax tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.split(".")[0]

    @property
    def is_folder(self) -> bool:
        return self.path.name == "__init__.py"


def read_package(package: Path) -> dict[str, Module]:
    """All files by name; the package's own ``__init__`` is called ``""``."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        text = path.read_text(encoding="utf-8")
        found[name] = Module(name, path, text, ast.parse(text))
    return found


def docstrings(tree: ast.AST) -> set[int]:
    """Lines that docstrings take, and texts below an assignment, which document it."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def code_lines(module: Module) -> set[int]:
    """Numbers of the lines that hold code."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
               tokenize.ENDMARKER, tokenize.ENCODING}  # fmt: skip
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type not in skipped:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines - docstrings(module.tree)


def longest_known(name: str, modules: Mapping[str, Module]) -> str | None:
    """The module that a dotted name lies in."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        if ".".join(parts[:count]) in modules:
            return ".".join(parts[:count])
    return None


def imports(
    module: Module, modules: Mapping[str, Module], tree: ast.AST
) -> Iterator[tuple[str, str, str]]:
    """For each imported name: as what, from which module of the package, and the name in it."""
    package = module.name if module.is_folder else module.name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                source = ".".join(["posetrack", *filter(None, [*above, source])])
            if source.split(".")[0] != "posetrack":
                continue
            below = source.partition(".")[2]
            for alias in node.names:
                whole = f"{below}.{alias.name}".strip(".")
                if whole in modules:
                    yield alias.asname or alias.name, whole, ""
                elif below in modules:
                    yield alias.asname or alias.name, below, alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("posetrack."):
                    known = longest_known(alias.name.partition(".")[2], modules)
                    if known is not None:
                        yield alias.asname or alias.name, known, ""


def import_graph(modules: Mapping[str, Module], *, at_load: bool) -> dict[str, set[str]]:
    """Module to the modules it imports; the package's own ``__init__`` is left out.

    With ``at_load`` those alone that run when the module is loaded.
    """
    graph = {}
    for name, module in modules.items():
        if name:
            tree = ast.Module(run_at_load(module), []) if at_load else module.tree
            graph[name] = {source for _, source, _ in imports(module, modules, tree)} - {name, ""}
    return graph


def run_at_load(module: Module) -> list[ast.stmt]:
    """Statements of a module outside functions and classes, and not for type checkers alone."""
    return [
        node
        for node in module.tree.body
        if not isinstance(node, Function | ast.ClassDef)
        and not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]


def components(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Strongly connected parts, those that are imported first (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for target in sorted(graph[node]):
            if target not in order:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], order[target])
        if low[node] == order[node]:
            start = stack.index(node)
            found.append(set(stack[start:]))
            del stack[start:]

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return found


def floors(graph: Mapping[str, set[str]]) -> tuple[int, list[set[str]]]:
    """The number of floors, and the circles."""
    parts = components(graph)
    of = {node: number for number, part in enumerate(parts) for node in part}
    height: dict[int, int] = {}
    for number, part in enumerate(parts):
        below = {of[target] for node in part for target in graph[node]} - {number}
        height[number] = 1 + max((height[other] for other in below), default=0)
    return max(height.values(), default=0), [part for part in parts if len(part) > 1]


def room_graph(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The same graph with all modules of a folder as one node."""
    rooms: dict[str, set[str]] = {}
    for name, targets in graph.items():
        room = name.split(".")[0]
        rooms.setdefault(room, set()).update(target.split(".")[0] for target in targets)
    return {room: targets - {room} for room, targets in rooms.items()}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """All functions and methods with their names inside the module, nested ones within theirs."""
    waiting: list[tuple[str, ast.AST]] = [("", module.tree)]
    while waiting:
        prefix, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield f"{prefix}{child.name}", child
            if isinstance(child, Function | ast.ClassDef):
                waiting.append((f"{prefix}{child.name}.", child))
            else:
                waiting.append((prefix, child))


def kinds(function: Function) -> list[str]:
    """The kinds of nodes of a function's arguments and body in the order of a walk."""
    taken: list[str] = []

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        if isinstance(node, ast.AnnAssign):
            taken.append("Assign")
            for child in (node.target, node.value):
                if child is not None:
                    walk(child)
            return
        taken.append(type(node).__name__)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "ctx", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    walk(child)

    walk(function.args)
    for statement in function.body:
        walk(statement)
    return taken


def near_identical(modules: Mapping[str, Module]) -> list[tuple[float, str, str]]:
    """Pairs of functions that look alike, the most alike first."""
    names: list[str] = []
    runs: list[Counter[tuple[str, ...]]] = []
    for module in modules.values():
        lines = code_lines(module)
        for name, function in functions(module):
            span = range(function.lineno, (function.end_lineno or function.lineno) + 1)
            if sum(line in lines for line in span) < LINES:
                continue
            found = kinds(function)
            names.append(f"{module.path.relative_to(modules[''].path.parent)}:{name}")
            runs.append(Counter(zip(*(found[start:] for start in range(RUN)), strict=False)))
    places = {run: number for number, run in enumerate(dict.fromkeys(r for c in runs for r in c))}
    counts = np.zeros((len(runs), len(places)), np.uint8)
    for row, counter in enumerate(runs):
        for run, count in counter.items():
            counts[row, places[run]] = min(count, 255)
    totals = counts.sum(axis=1, dtype=np.int64)
    order = np.argsort(totals, kind="stable")
    pairs = []
    for position, first in enumerate(order):
        # Dice's coefficient of sizes a <= b is at most 2 a / (a + b).
        most = totals[first] * (2 / SHARE - 1)
        others = order[position + 1 :][totals[order[position + 1 :]] <= most]
        common = np.minimum(counts[first], counts[others]).sum(axis=1, dtype=np.int64)
        shares = 2 * common / np.maximum(totals[first] + totals[others], 1)
        for second, share in zip(others[shares >= SHARE], shares[shares >= SHARE], strict=True):
            one, two = sorted((names[first], names[second]))
            if not two.startswith(one + "."):  # a function and the one inside it
                pairs.append((float(share), one, two))
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))


def definitions(module: Module) -> dict[str, list[ast.AST]]:
    """What a module defines at its top level, by name: functions, classes, assignments."""
    found: dict[str, list[ast.AST]] = {}
    waiting = list(module.tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, Function | ast.ClassDef):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        found.setdefault(part.id, []).append(node)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            waiting[:0] = [
                *node.body,
                *getattr(node, "orelse", []),
                *getattr(node, "finalbody", []),
            ]
    return found


def lazy_home(module: Module, name: str, modules: Mapping[str, Module]) -> str | None:
    """Where a name comes from that a folder hands on when asked.

    The folder's table is ``{module: [name, ...]}``, in earlier versions ``{name: module}``.
    """
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Dict):
            continue
        try:
            table = ast.literal_eval(node)
        except ValueError:
            continue
        for key, value in table.items():
            if isinstance(value, list) and name in value:
                source = key
            elif key == name and isinstance(value, str):
                source = value
            else:
                continue
            bare = source.removeprefix("posetrack.").lstrip(".")
            for home in (f"{module.name}.{bare}".strip("."), bare):
                if home in modules:
                    return home
    return None


def reached(modules: Mapping[str, Module], start: tuple[str, str]) -> set[tuple[str, str]]:
    """All (module, name) that a function's body names, directly or through others."""
    defined = {name: definitions(module) for name, module in modules.items()}
    top = {name: own_imports(module, modules) for name, module in modules.items()}
    seen: set[tuple[str, str]] = set()
    waiting = [start]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        module, name = place
        if name not in defined[module]:
            home = top[module].get(name) or (lazy_home(modules[module], name, modules), name)
            if home[0] is not None:
                waiting.append((home[0], home[1]))
            continue
        for node in defined[module][name]:
            local = {
                alias: (source, inner)
                for alias, source, inner in imports(modules[module], modules, node)
            }
            for part in ast.walk(node):
                if isinstance(part, ast.Name):
                    target = local.get(part.id) or top[module].get(part.id)
                    if target is None and part.id in defined[module]:
                        target = (module, part.id)
                    if target is not None and target[1]:
                        waiting.append(target)
                elif isinstance(part, ast.Attribute):
                    source = (local | top[module]).get(ast.unparse(part.value), ("", ""))
                    if source[0] and not source[1]:
                        waiting.append((source[0], part.attr))
            # A name that is imported inside and only handed on is used there, too.
            waiting.extend(target for target in local.values() if target[1])
    return {place for place in seen if place[0] and place[1] in defined[place[0]]}


def own_imports(module: Module, modules: Mapping[str, Module]) -> dict[str, tuple[str, str]]:
    """Names imported outside functions."""
    tree = ast.Module(run_at_load(module), [])
    return {alias: (source, inner) for alias, source, inner in imports(module, modules, tree)}


def find_function(modules: Mapping[str, Module], name: str) -> tuple[str, str] | None:
    """The module that defines a function."""
    homes = [home for home, module in modules.items() if name in definitions(module)]
    first = [home for home in FOLLOWED.get(name, ()) if home in homes]
    chosen = (first or sorted(homes, key=lambda home: (home.count("."), home)))[:1]
    return (chosen[0], name) if chosen else None


def words(name: str) -> list[str]:
    """The words of a name: ``_PartialFile`` is partial, file."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def is_participle(word: str) -> bool:
    return word in IRREGULAR or (
        word.endswith("ed") and len(word) > 4 and word not in NOT_PARTICIPLES
    )


def by_participle(modules: Mapping[str, Module], *, strictly: bool = False) -> list[str]:
    """Functions named by participles that do not give a boolean."""
    found = []
    for module in modules.values():
        for name, function in functions(module):
            own = words(function.name)
            gives = "" if function.returns is None else ast.unparse(function.returns).lower()
            is_property = any("property" in ast.unparse(one) for one in function.decorator_list)
            if not own or (gives == "bool" if strictly else "bool" in gives):
                continue
            first, last = is_participle(own[0]), is_participle(own[-1])
            if not strictly and is_property:
                first = False
            if not strictly and own[0] in VERBS:
                last = False
            if first or last:
                found.append(f"{module.name}:{name}")
    return sorted(found)


def names_in(module: Module) -> set[str]:
    """Names that a module gives: its own, its functions', classes', arguments', variables'."""
    found = {module.name.rpartition(".")[2]}
    for node in ast.walk(module.tree):
        if isinstance(node, Function | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found


def with_words(modules: Mapping[str, Module], aside: Iterable[str]) -> dict[str, list[str]]:
    """For each word the names that hold it, as ``module:name``."""
    found: dict[str, list[str]] = {word: [] for word in aside}
    for module in modules.values():
        for name in sorted(names_in(module)):
            for word in found.keys() & set(words(name)):
                found[word].append(f"{module.name}:{name}")
    return found


def listed(circles: Iterable[set[str]]) -> str:
    return "; ".join(" ".join(sorted(circle)) for circle in circles)


def same_names(modules: Mapping[str, Module]) -> dict[str, list[str]]:
    """Files of one name in several folders, ``__init__`` left out."""
    found: dict[str, list[str]] = {}
    for name, module in modules.items():
        if not module.is_folder:
            found.setdefault(module.path.stem, []).append(name)
    return {stem: homes for stem, homes in found.items() if len(homes) > 1}


def describe_house(package: Path, *, pairs: bool, names: bool) -> Iterator[str]:
    """The table, line by line."""
    modules = read_package(package)
    lines = {name: len(code_lines(module)) for name, module in modules.items()}
    own = {name: module for name, module in modules.items() if name}
    folders = sorted(path.name for path in package.iterdir() if (path / "").is_dir())
    folders = [name for name in folders if not name.startswith(("_", "."))]
    loose = sorted(set(modules) - {""} - {name for name in own if name.split(".")[0] in folders})
    loose = [name for name in loose if name != "__main__"]
    graph = import_graph(modules, at_load=False)
    height, circles = floors(graph)
    height_at_load, circles_at_load = floors(import_graph(modules, at_load=True))
    rooms_height, rooms_circles = floors(room_graph(graph))

    def row(what: str, value: object, rest: str = "") -> str:
        return f"{what:46}{value!s:>8}  {rest}".rstrip()

    yield row("folders below the package", len(folders))
    yield row("loose modules", len(loose), "besides __init__ and __main__")
    yield row("files", len(modules))
    yield row(
        f"files under {SHORT} lines", sum(m.text.count("\n") < SHORT for m in modules.values())
    )
    yield row("names of files that stand twice or more", len(same_names(modules)))
    yield row("lines", sum(module.text.count("\n") for module in modules.values()))
    yield row("lines of code", sum(lines.values()))
    yield row("functions and methods", sum(1 for m in modules.values() for _ in functions(m)))
    yield row("floors of modules, imports at loading", height_at_load)
    yield row(
        "circles of modules, imports at loading", len(circles_at_load), listed(circles_at_load)
    )
    yield row("floors of modules, all imports", height)
    yield row("circles of modules, all imports", len(circles), listed(circles))
    yield row("floors of rooms, all imports", rooms_height)
    yield row("circles of rooms, all imports", len(rooms_circles), listed(rooms_circles))
    alike = near_identical(modules)
    yield row(
        f"near-identical pairs (>= {SHARE}, >= {LINES} lines)", len(alike),
        f"in {len({name for _, *both in alike for name in both})} functions",
    )  # fmt: skip
    yield row("  of which identical in shape", sum(share == 1 for share, *_ in alike))
    for name in FOLLOWED:
        start = find_function(modules, name)
        if start is None:
            yield row(f"{name}: no such function", "-")
            continue
        places = reached(modules, start)
        rooms = sorted({place[0].split(".")[0] for place in places})
        yield row(f"rooms that {name} passes through", len(rooms), " ".join(rooms))
        yield row("  files", len({place[0] for place in places}), f"from {start[0]}")
    participles = by_participle(modules)
    yield row("functions named by participles", len(participles))
    yield row("  strictly", len(by_participle(modules, strictly=True)), "see above")
    found = with_words(modules, (*ASIDE, *EMPTY, "marks"))
    for word in ASIDE:
        yield row(f"names with the word {word}", len(found[word]))
    yield row("names with utils, helper, manager, base", sum(len(found[word]) for word in EMPTY))
    yield row("names with the word marks", len(found["marks"]))
    text = [
        word
        for module in modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Module | ast.ClassDef | Function)
        for word in re.findall(r"[a-z]+", (ast.get_docstring(node, clean=False) or "").lower())
    ]
    counted = Counter(text)
    yield row(
        "docstrings: told, said, touched, who",
        sum(counted[word] for word in ("told", "said", "touched", "who")),
        ", ".join(f"{word} {counted[word]}" for word in ("told", "said", "touched", "who")),
    )
    yield ""
    yield f"{'room':26}{'files':>8}{'code':>8}"
    for room in [*folders, *loose]:
        inside = [name for name in own if name.split(".")[0] == room]
        yield f"{room:26}{len(inside):8}{sum(lines[name] for name in inside):8}"
    if pairs:
        yield ""
        yield from (f"{share:.2f}  {one}  {two}" for share, one, two in alike)
    if names:
        yield ""
        yield from participles
        for word, those in found.items():
            yield from (f"{word}: {name}" for name in those)
        yield from (f"{stem}: {' '.join(homes)}" for stem, homes in same_names(modules).items())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measures of the package's source.")
    parser.add_argument(
        "package", nargs="?", type=Path, default=Path(__file__).resolve().parents[1] / "posetrack"
    )
    parser.add_argument("--pairs", action="store_true", help="list near-identical functions")
    parser.add_argument("--words", action="store_true", help="list the names that are counted")
    chosen = parser.parse_args()
    print("\n".join(describe_house(chosen.package, pairs=chosen.pairs, names=chosen.words)))
