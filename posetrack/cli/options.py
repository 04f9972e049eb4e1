"""How the command line is built: one parser, and options that follow from a signature.

A function of the library, or a class, has its settings as keyword-only parameters and says in its
docstring what each is for. `add_settings` makes a flag of each, `settings_from` the keywords of the
call; so a setting is added in one file, and its flag, its help, its default and its place in the
provenance of a run's files follow. docs/developers.md says why this is argparse.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, NoReturn, cast, get_args, get_origin

from posetrack.checks import did_you_mean
from posetrack.runs.presets import Preset

_TIMES: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "": 1.0}

_SCENE_SIDES = (32, 7680)  # smaller, nobody can be made out; larger is an 8K video


def size_from(text: str) -> tuple[int, int]:
    """Width and height of a network's input from the field's ``HEIGHTxWIDTH``.

    Examples
    --------
    >>> size_from("256x192")
    (192, 256)
    """
    height, width = _two_numbers(text, "HEIGHTxWIDTH, such as 256x192")
    return width, height


def picture_size_from(text: str) -> tuple[int, int]:
    """Width and height of pictures from ``WIDTHxHEIGHT``.

    Examples
    --------
    >>> picture_size_from("1280x720")
    (1280, 720)
    """
    return _two_numbers(text, "WIDTHxHEIGHT, such as 1280x720")


def scene_size_from(text: str) -> tuple[int, int]:
    """Width and height of rendered pictures, in which a person can be seen.

    Examples
    --------
    >>> scene_size_from("3x3")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: expected WIDTHxHEIGHT, 32 to 7680 pixels each, got '3x3'
    """
    expected = f"WIDTHxHEIGHT, {_SCENE_SIDES[0]} to {_SCENE_SIDES[1]} pixels each"
    size = _two_numbers(text, expected)
    if not _SCENE_SIDES[0] <= min(size) <= max(size) <= _SCENE_SIDES[1]:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return size


def _two_numbers(text: str, expected: str) -> tuple[int, int]:
    first, _, second = text.lower().partition("x")
    if not (first.isdecimal() and second.isdecimal() and 0 < int(first) * int(second) < 1e12):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return int(first), int(second)


class _Formatter(argparse.HelpFormatter):
    """Shows the default of an option that has one; a switch that is off is not worth a word."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        if not text or "%(default)" in text or not action.option_strings:
            return text
        if action.nargs == 0 and not isinstance(action, argparse.BooleanOptionalAction):
            return text
        if action.default in (None, argparse.SUPPRESS, "") or "(default" in text:
            return text
        return f"{text} (default: %(default)s)"


class Parser(argparse.ArgumentParser):
    """The parser of a command.

    ``--help`` shows its main options; where it has more (`add_rare_group`), ``--help-all`` shows
    these, too. What is misspelt is refused in a line that names what comes near.
    """

    def __init__(self, *words: Any, **settings: Any) -> None:
        super().__init__(*words, **{"formatter_class": _Formatter, **settings})
        self._rare: list[Any] = []
        self._presets: dict[str, Preset] = {}
        self._help_all = self.add_argument("--help-all", action=_HelpAll, help=argparse.SUPPRESS)

    def add_rare_group(self, title: str) -> Any:
        """A group of options that ``--help`` leaves out and ``--help-all`` shows."""
        self._help_all.help = "show all options, and exit"
        self._rare.append(self.add_argument_group(title))
        return self._rare[-1]

    def add_presets(self, presets: Mapping[str, Preset]) -> None:
        """Add ``--preset NAME``: defaults of other options, which the line may still set."""
        self._presets = dict(presets)
        listed = "; ".join(
            f"{name}, {preset.purpose}: {preset.as_options()}" for name, preset in presets.items()
        )
        self.add_argument(
            "--preset",
            action="append",
            choices=tuple(presets),
            default=argparse.SUPPRESS,
            help=f"settings for a purpose, which other options may overrule: {listed}",
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, but apply presets first and refuse unknown options here."""
        if self._presets and args:
            self._take_presets(list(args))
        found, others = super().parse_known_args(args, namespace)
        for word in others:
            if word.startswith("-") and not _is_number(word):
                hint = did_you_mean(word.partition("=")[0], self._option_string_actions)
                self.error(f"there is no option {word}{hint}")
        return found, others

    def _take_presets(self, words: Sequence[str]) -> None:
        first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        first.add_argument("--preset", action="append", default=[])
        before_end = words[: words.index("--")] if "--" in words else words
        try:
            names = first.parse_known_args(before_end)[0].preset
        except SystemExit:
            return  # the whole parser says what is wrong
        for name in names:
            if name in self._presets:
                self.set_defaults(**self._presets[name].settings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(str(value), map(str, action.choices))
            names = ", ".join(map(str, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}{hint} (of {names})")

    def error(self, message: str) -> NoReturn:
        """End with status 2 and one line."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")

    def format_help(self, *, everything: bool = False) -> str:
        """The help; without the groups of rare options unless ``everything`` is wanted."""
        hidden = [] if everything else [one for group in self._rare for one in group._group_actions]
        texts = [action.help for action in hidden]
        for action in hidden:
            action.help = argparse.SUPPRESS
        try:
            text = super().format_help()
        finally:
            for action, words in zip(hidden, texts, strict=True):
                action.help = words
        if not hidden:
            return text
        titles = ", ".join(str(group.title).partition(" (")[0] for group in self._rare)
        return f"{text}\n{self.prog} --help-all shows {len(hidden)} more: {titles}\n"


class _HelpAll(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **settings: Any) -> None:
        del dest
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **settings)
        self.default = argparse.SUPPRESS

    def __call__(self, parser: Any, *_: Any) -> None:
        print(parser.format_help(everything=True), end="")
        parser.exit()


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


class Kind(NamedTuple):
    """How a parameter of some type is given on the command line.

    Parameters
    ----------
    parse
        From the word; what it gives is kept, also in provenance.
    metavar
        Stands for the word in the help.
    convert
        From what was parsed to what the function takes.
    choices
        Words that are known, each with what it means as ``module:name``.
    """

    parse: Callable[[str], Any] = str
    metavar: str | None = None
    convert: Callable[[Any], Any] | None = None
    choices: Mapping[str, str] | None = None


def add_out(group: Any, name: str = "out", words: str = "folder") -> None:
    """``-o``, where what a command makes goes, unless told otherwise into ``name``."""
    group.add_argument("-o", "--out", type=Path, default=Path(name), help=words)


def add_rate(group: Any) -> None:
    """``--rate``, for stored tracks."""
    group.add_argument("--rate", type=float, help="frames a second, for files without times")


def add_span(group: Any, function: str) -> None:
    """``--start`` and ``--stop`` in frames of a video, for a function that takes both."""
    add_option(group, function, "start", "first frame", metavar="N")
    group.add_argument("--stop", type=int, metavar="N", help="frame to stop before")


def seconds_from(text: str) -> float:
    """A length of time from the command line.

    Examples
    --------
    >>> seconds_from("0.3s"), seconds_from("300ms"), seconds_from("10min"), seconds_from("2")
    (0.3, 0.3, 600.0, 2.0)
    """
    parts = re.fullmatch(r"([0-9]*\.?[0-9]+)(ms|s|min|h|)", text.strip())
    if parts is None:
        raise argparse.ArgumentTypeError(
            f"expected a time such as 0.3s, 300ms or 10min, got {text!r}"
        )
    return float(parts[1]) * _TIMES[parts[2]]


KINDS: Final[Mapping[str, Kind]] = {
    "int": Kind(int, "N"),
    "float": Kind(float, "X"),
    "str": Kind(str, "NAME"),
    "Path": Kind(Path, "FILE"),
    "Seconds": Kind(seconds_from, "TIME"),
    "Hertz": Kind(float, "HZ"),
    "Similarity": Kind(
        choices={
            "oks": "posetrack.tracking.association:pose_similarity",
            "iou": "posetrack.tracking.association:box_similarity",
        }
    ),
    "Matching": Kind(
        choices={
            "greedy": "posetrack.ops.matching:match_greedily",
            "optimal": "posetrack.ops.matching:match_optimally",
        }
    ),
}
"""By the name of a parameter's type."""


def add_settings(
    group: Any,
    function: Callable[..., Any],
    names: Iterable[str] | None = None,
    *,
    without: Sequence[str] = (),
    kinds: Mapping[str, Kind] = KINDS,
) -> None:
    """Add a flag for each setting of a function, with its words and its default.

    Parameters
    ----------
    group
        A parser, or a group of one.
    function
        A function or class; its settings are its keyword-only parameters whose types are known.
    names
        Those wanted; None: all.
    without
        Those not wanted.
    kinds
        What types are known besides ``bool`` and ``Literal``.

    Raises
    ------
    KeyError
        If the function has no such setting.

    Examples
    --------
    >>> def shrink(image, *, factor: float = 0.5, keep_ratio: bool = True):
    ...     '''Make smaller.
    ...
    ...     Parameters
    ...     ----------
    ...     factor
    ...         Of the sides. Smaller is faster.
    ...     keep_ratio
    ...         Keep the ratio of sides.
    ...     '''
    >>> parser = Parser(prog="shrink", add_help=False)
    >>> add_settings(parser, shrink)
    >>> print(parser.format_help())
    usage: shrink [--factor X] [--keep-ratio | --no-keep-ratio]
    <BLANKLINE>
    options:
      --factor X            Of the sides (default: 0.5)
      --keep-ratio, --no-keep-ratio
                            Keep the ratio of sides (default: True)
    <BLANKLINE>
    >>> settings_from(parser.parse_args(["--factor", "0.1"]), shrink)
    {'factor': 0.1, 'keep_ratio': True}
    """
    meaning = first_sentences(inspect.getdoc(function) or "")
    known = _settings(function, kinds)
    for name in known if names is None else names:
        if name in without:
            continue
        parameter, kind = known[name]
        default, more = parameter.default, cast("dict[str, Any]", {})
        if kind is None:
            more["action"] = argparse.BooleanOptionalAction if default else "store_true"
        elif kind.choices is not None:
            more["choices"] = tuple(kind.choices)
            default = _name_of(default, kind.choices)
        else:
            more |= {"type": kind.parse, "metavar": kind.metavar}
        # Under python -OO there are no docstrings, and so no help.
        flag = "--" + name.replace("_", "-")
        action = group.add_argument(flag, default=default, help=meaning.get(name), **more)
        action.setting = function, name


def add_option(
    group: Any, function: str, name: str, words: str, *, flag: str | None = None, **more: Any
) -> None:
    """Add a flag for one parameter of a function, with its default but other words.

    For a function that a command calls late, since its module loads much: it is not imported.

    Parameters
    ----------
    group
        A parser, or a group of one.
    function
        As ``module:name`` below the package; also a class.
    name
        The parameter.
    words
        What it is for.
    flag
        Where that is not the parameter's name with dashes; the parsed value keeps the name.
    **more
        As of ``add_argument``. A number's type is the default's.

    Examples
    --------
    >>> parser = Parser(prog="fetch", add_help=False)
    >>> add_option(parser, "weights.download:download", "timeout", "to wait for a host")
    >>> parser.parse_args([]).timeout
    30.0
    """
    default = default_of(function, name)
    if isinstance(default, bool):
        more.setdefault("action", argparse.BooleanOptionalAction if default else "store_true")
    elif default is not None and "choices" not in more:
        more.setdefault("type", type(default))
    flag = flag or "--" + name.replace("_", "-")
    action = group.add_argument(flag, dest=name, default=default, help=words, **more)
    action.setting = function, name


def default_of(function: str, name: str) -> Any:
    """The default of a function's parameter or a class's field, read from its source.

    Parameters
    ----------
    function
        As ``module:name`` below the package.
    name
        The parameter; its default is written as a plain value.

    Raises
    ------
    KeyError
        If there is no such parameter with a default.

    Examples
    --------
    >>> default_of("training.loop:train", "validate_every")
    1
    """
    module, _, function_name = function.partition(":")
    path = Path(__file__).parents[1] / (module.replace(".", "/") + ".py")
    if not path.is_file():  # a program that was frozen has no sources
        found = getattr(import_module(f"posetrack.{module}"), function_name)
        return inspect.signature(found).parameters[name].default
    return ast.literal_eval(_defaults(_definitions(path)[function_name])[name])


@cache
def _definitions(path: Path) -> Mapping[str, ast.FunctionDef | ast.ClassDef]:
    """Functions and classes of a file; `posetrack track` asks for ten defaults of one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def _defaults(node: ast.FunctionDef | ast.ClassDef) -> dict[str, ast.expr]:
    """Defaults of a function's parameters; of a class, of its fields or its constructor's."""
    if isinstance(node, ast.FunctionDef):
        given = node.args
        by_position = [*given.posonlyargs, *given.args]
        pairs = [
            *zip(reversed(by_position), reversed(given.defaults), strict=False),
            *zip(given.kwonlyargs, given.kw_defaults, strict=True),
        ]
        return {one.arg: default for one, default in pairs if default is not None}
    found: dict[str, ast.expr] = {}
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and part.value is not None:
            found[ast.unparse(part.target)] = part.value
        elif isinstance(part, ast.FunctionDef) and part.name == "__init__":
            found |= _defaults(part)
    return found


def settings_from(
    arguments: argparse.Namespace,
    function: Callable[..., Any],
    names: Iterable[str] | None = None,
    *,
    without: Sequence[str] = (),
    kinds: Mapping[str, Kind] = KINDS,
) -> dict[str, Any]:
    """The keywords of a call, from the flags that `add_settings` added."""
    known = _settings(function, kinds)
    found: dict[str, Any] = {}
    for name in known if names is None else names:
        if name in without:
            continue
        value, kind = getattr(arguments, name), known[name][1]
        if value is not None and kind is not None:
            if kind.choices is not None:
                value = _resolve(kind.choices[value], value)
            elif kind.convert is not None:
                value = kind.convert(value)
        found[name] = value
    return found


def _settings(
    function: Callable[..., Any], kinds: Mapping[str, Kind]
) -> dict[str, tuple[inspect.Parameter, Kind | None]]:
    """Keyword-only parameters whose types are known; None for one that is true or false."""
    body: Any = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    found: dict[str, tuple[inspect.Parameter, Kind | None]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        kind = str(parameter.annotation).removesuffix(" | None")
        alias = getattr(body, "__globals__", {}).get(kind)
        if kind == "bool":
            found[name] = parameter, None
        elif get_origin(alias) is Literal:
            found[name] = parameter, Kind(choices=dict.fromkeys(get_args(alias), ""))
        elif kind in kinds:
            found[name] = parameter, kinds[kind]
    return found


def _resolve(path: str, word: str) -> Any:
    """What ``module:name`` is; the word itself where that says nothing."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name) if name else word


def _name_of(default: Any, choices: Mapping[str, str]) -> str | None:
    if default is None or default in choices:
        return cast("str | None", default)
    return next(word for word, path in choices.items() if _resolve(path, word) is default)


def first_sentences(docstring: str) -> dict[str, str]:
    r"""The first sentence of each parameter in a numpydoc docstring.

    Examples
    --------
    >>> first_sentences("Cut.\n\nParameters\n----------\nsize\n    In pixels. Large is slow.")
    {'size': 'In pixels'}
    """
    meaning: dict[str, str] = {}
    name = ""
    section = docstring.partition("Parameters\n----------\n")[2]
    for line in re.split(r"\n\n\w+\n-+\n", section)[0].splitlines():
        if line and not line.startswith(" "):
            name = line.strip()
        elif name and line.strip():
            meaning[name] = f"{meaning.get(name, '')} {line.strip()}".strip()
    return {
        key: re.split(r"(?<=[.:;]) ", text)[0].rstrip(".:;").replace("%", "%%").replace("`", "")
        for key, text in meaning.items()
    }
