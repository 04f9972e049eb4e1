"""``posetrack completion``: a script by which a shell completes commands, options and names."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

SHELLS: Final = ("bash", "zsh", "fish")
_NETWORKS: Final = {
    "detector": ("detector", ("bundled", "hog")),
    "estimator": ("pose", ("bundled",)),
}


class Option(NamedTuple):
    """An option of a command, and the words that may follow it; None: a file, () none."""

    flags: tuple[str, ...]
    words: tuple[str, ...] | None
    help: str


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "completion",
        help="print a script by which your shell completes commands, options and names",
        description="Print a script by which a shell completes commands, options, choices and "
        'names of networks. Bash: eval "$(posetrack completion bash)" in ~/.bashrc; zsh: the same '
        "with zsh in ~/.zshrc; fish: posetrack completion fish > "
        "~/.config/fish/completions/posetrack.fish",
    )
    parser.add_argument("shell", choices=SHELLS, help="which")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from posetrack.cli import parser

    options = dict(options_of(parser()))
    write = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}[arguments.shell]
    print(write(options), end="")
    return 0


def options_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[Option]]]:
    """The options of each command, by its words, such as ``models list``."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield name, [_option(one) for one in below._actions if _shown(one)]
                for inner, options in options_of(below):
                    yield f"{name} {inner}", options


def _shown(action: argparse.Action) -> bool:
    return bool(action.option_strings) or (
        action.choices is not None and not isinstance(action, argparse._SubParsersAction)
    )


def _option(action: argparse.Action) -> Option:
    """What a shell needs of an action; of one without a flag, its choices are its words."""
    flags = tuple(flag for flag in action.option_strings if flag.startswith("-"))
    words: tuple[str, ...] | None = None
    if action.nargs == 0:
        words = ()
    elif action.choices is not None:
        words = tuple(map(str, action.choices))
    elif action.dest in _NETWORKS and flags:
        words = _network_names(action.dest)
    text = "" if action.help in (None, argparse.SUPPRESS) else str(action.help)
    return Option(flags, words, text.partition(";")[0].partition(". ")[0].replace("%%", "%"))


def _network_names(dest: str) -> tuple[str, ...]:
    from posetrack.weights.catalogue import MODELS

    kind, more = _NETWORKS[dest]
    return (*more, *(one.name for one in MODELS.values() if one.serves_as(kind)))  # type: ignore[arg-type]


def bash_script(options: Mapping[str, Sequence[Option]]) -> str:
    r"""A script for bash.

    Examples
    --------
    >>> print(bash_script({"cook": [Option(("--heat",), ("low", "high"), "how hot")]}))
    # bash completion of posetrack: eval "$(posetrack completion bash)"
    _posetrack() {
        local now=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
        local command=${COMP_WORDS[1]} second=${COMP_WORDS[2]}
        if ((COMP_CWORD == 1)); then
            COMPREPLY=($(compgen -W "cook" -- "$now"))
            return
        fi
        case "$command $second:$before" in
            "cook "*":--heat") words="low high" ;;
            "cook "*) [[ $now == -* ]] && words="--heat" ;;
        esac
        if [[ -n $words ]]; then
            COMPREPLY=($(compgen -W "$words" -- "$now"))
        else
            local IFS=$'\n'
            COMPREPLY=($(compgen -f -- "$now"))
        fi
    }
    complete -o filenames -F _posetrack posetrack
    <BLANKLINE>
    """
    top = " ".join(name for name in options if " " not in name)
    lines = [
        '# bash completion of posetrack: eval "$(posetrack completion bash)"',
        "_posetrack() {",
        "    local now=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=",
        "    local command=${COMP_WORDS[1]} second=${COMP_WORDS[2]}",
        "    if ((COMP_CWORD == 1)); then",
        f'        COMPREPLY=($(compgen -W "{top}" -- "$now"))',
        "        return",
        "    fi",
        '    case "$command $second:$before" in',
    ]
    # The longer names first: models list before models.
    for name in sorted(options, key=lambda one: -one.count(" ")):
        two = " " in name
        start = f'"{name}:' if two else f'"{name} "*":'
        any_word = f'"{name}:"*' if two else f'"{name} "*'
        ours = options[name]
        for option in ours:
            words = " ".join(option.words or ())
            lines += [
                f'        {start}{flag}") words="{words}" ;;' for flag in option.flags if words
            ]
        flags = " ".join(flag for option in ours for flag in option.flags)
        then = f'[[ $now == -* ]] && words="{flags}"'
        inner = [one.partition(" ")[2] for one in options if one.startswith(f"{name} ")]
        plain = [word for one in ours if not one.flags for word in one.words or ()]
        if more := " ".join([*inner, *plain]):
            then += f' || {{ ((COMP_CWORD == {3 if two else 2})) && words="{more}"; }}'
        lines.append(f"        {any_word}) {then} ;;")
    lines += [
        "    esac",
        "    if [[ -n $words ]]; then",
        '        COMPREPLY=($(compgen -W "$words" -- "$now"))',
        "    else",
        "        local IFS=$'\\n'",  # names of files may hold spaces
        '        COMPREPLY=($(compgen -f -- "$now"))',
        "    fi",
        "}",
        "complete -o filenames -F _posetrack posetrack",
    ]
    return "\n".join(lines) + "\n"


def zsh_script(options: Mapping[str, Sequence[Option]]) -> str:
    """A script for zsh, which takes bash's."""
    head = "autoload -U +X compinit && compinit -u\nautoload -U +X bashcompinit && bashcompinit\n"
    return head + bash_script(options)


def fish_script(options: Mapping[str, Sequence[Option]]) -> str:
    """A script for fish.

    Examples
    --------
    >>> print(fish_script({"cook": [Option(("--heat", "-t"), ("low", "high"), "how hot")]}))
    complete -c posetrack -n __fish_use_subcommand -f -a cook
    complete -c posetrack -n "__fish_seen_subcommand_from cook" -l heat -s t -x -a "low high" -d ...
    """
    lines = [
        f"complete -c posetrack -n __fish_use_subcommand -f -a {name}"
        for name in options
        if " " not in name
    ]
    for name in options:
        inner = " ".join(one.partition(" ")[2] for one in options if one.startswith(f"{name} "))
        if inner:
            lines.append(
                f'complete -c posetrack -n "__fish_seen_subcommand_from {name}; and not '
                f'__fish_seen_subcommand_from {inner}" -f -a "{inner}"'
            )
    for name, ours in options.items():
        seen = " ".join(f"__fish_seen_subcommand_from {word};" for word in name.split())
        condition = seen.rstrip(";").replace("; ", "; and ")
        for option in ours:
            flags = [
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in option.flags
            ]
            words = "" if option.words is None else f' -x -a "{" ".join(option.words)}"'
            if option.words == ():
                words = ""
            elif option.words is None and option.flags:
                words = " -r"
            text = option.help.replace("\\", "").replace('"', "'").replace("$", "")
            start = f'complete -c posetrack -n "{condition}"'
            lines.append(" ".join([start, *flags]) + words + (f' -d "{text}"' if text else ""))
    return "\n".join(lines) + "\n"
