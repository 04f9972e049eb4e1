"""``torch.export`` files: what one may hold before PyTorch is let read it, and running it.

PyTorch's reader trusts such a file: it unpickles, looks up functions by any name, and runs the
text of shapes and guards as Python. A network needs none of this. So a file is first walked
through as plain JSON, and read only if it holds what the writer of this package writes: raw
weights, operators of ATen, and shapes that are a number or a named size.
"""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posetrack.devices import pick_device
from posetrack.runtimes.session import Batch, Session, in_short, read_card_of
from posetrack.runtimes.torch import as_maps

_LARGEST_JSON = 64 * 2**20
_LARGEST_PICKLE = 64 * 2**20

_MEMBER = re.compile(
    r"data/(weights/(weight_\d+|model_weights_config\.json)"
    r"|constants/(tensor_\d+|model_constants_config\.json)|sample_inputs/model\.pt)"
    r"|models/model\.json|extra/[\w.]+|archive_format|archive_version|byteorder"
    r"|\.data/(version|serialization_id|alignment)|\.format_version|\.storage_alignment"
)
_OPERATOR = re.compile(
    r"torch\.ops\.aten\.[a-zA-Z0-9_]+\.[a-zA-Z0-9_]+"
    r"|_operator\.(getitem|add|sub|mul|floordiv|mod|neg|eq|ne|ge|gt|le|lt)"
)
_WORDS = {
    "approximate",
    "equation",
    "indexing",
    "interpolation",
    "mode",
    "ord",
    "padding",
    "reduce",
}
_WORDS |= {"rounding_mode", "side", "UPLO"}
"""Arguments of text that operators may have: a choice, not the name of a file."""
_SIZE = re.compile(r"-?\d+|Symbol\('[su]\d+'(, (positive|nonnegative|integer)=True)*\)")
_NAME = re.compile(r"[\w.]*")
_STACK = re.compile(r"[\w.,;:'<>\[\]()@ -]*")
_TREE = re.compile(r'[\w.,:"\[\]{} ]*')
_FREE = {"nn_module_stack": _STACK, "torch_fn": _STACK, "in_spec": _TREE, "out_spec": _TREE}
_TREE_TYPES = {"builtins.tuple", "builtins.list", "builtins.dict"}


def open_file(
    path: Path, *, device: str | torch.device = "auto", threads: int | None = None
) -> Session:
    """Open a ``.pt2`` file, once it is seen to hold a network and nothing else.

    Parameters
    ----------
    path, device
        See `posetrack.runtimes.session.open_exported`.
    threads
        Not needed here.
    """
    del threads
    target = pick_device(device)
    require_plain_program(path)
    extra = {"posetrack.json": ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(io.BytesIO(path.read_bytes()), extra_files=extra)
    except Exception as error:  # its reader has no errors of its own
        raise ValueError(f"{path}: not a torch.export file: {in_short(error)}") from error
    module: Any = program.module()
    if target.type != "cpu":
        from torch.export.passes import move_to_device_pass

        module = move_to_device_pass(program, str(target)).module()
    else:
        module = _widen(module, target)
    card = read_card_of(extra["posetrack.json"] or None, path)
    return Session(path, partial(_run, module, target), "torch", card)


def _widen(program: Any, device: torch.device) -> Any:
    """On a CPU, 16 bit weights in 32 bits: 16 bit convolutions there take 20 times as long.

    The numbers stay those of the file; what is between the layers is no longer rounded.
    """
    if device.type != "cpu":
        return program
    if isinstance(program, torch.fx.GraphModule):
        asserting = torch.ops.aten._assert_tensor_metadata.default
        for node in list(program.graph.nodes):
            if node.op == "call_function" and node.target is asserting:
                program.graph.erase_node(node)  # they insist on the 16 bits
            elif torch.float16 in node.args:
                node.args = tuple(torch.float32 if a is torch.float16 else a for a in node.args)
        program.recompile()
    return program.float()


def _run(program: Any, device: torch.device, images: Batch) -> list[NDArray[Any]]:
    with torch.no_grad():
        output = program(torch.from_numpy(np.ascontiguousarray(images)).to(device))
    return [part.float().cpu().numpy() for part in as_maps(output)]


def require_plain_program(path: str | Path) -> None:
    """Refuse a ``.pt2`` file that holds more than a network.

    Raises
    ------
    ValueError
        If it is not an exported program, is damaged, or asks for anything that a network does not
        need. None of it is run in any case.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "other.pt2")
    ...     with zipfile.ZipFile(path, "w") as file:
    ...         file.writestr("archive/run.py", "print(1)")
    ...     require_plain_program(path)
    Traceback (most recent call last):
    ...
    ValueError: ...other.pt2: not a torch.export file of this package: it holds run.py
    """
    try:
        with zipfile.ZipFile(path) as file:
            _check(file)
    except (zipfile.BadZipFile, KeyError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a torch.export file, or damaged: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: not a torch.export file of this package: {error}") from error


def _check(file: zipfile.ZipFile) -> None:
    members: dict[str, zipfile.ZipInfo] = {}
    roots = set()
    for info in file.infolist():
        root, *rest = PurePosixPath(info.filename).parts
        name = "/".join(rest)
        roots.add(root)
        if not _MEMBER.fullmatch(name) or name in members or len(roots) > 1:
            raise ValueError(f"it holds {name or info.filename}")
        # Stored, not packed: what is read takes no more memory than the file has bytes.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError(f"{name} is compressed")
        members[name] = info
    for part in ("weights/model_weights_config.json", "constants/model_constants_config.json"):
        _check_payload(_json(file, members[f"data/{part}"]))
    model = _json(file, members["models/model.json"])
    if not isinstance(model, dict) or model.get("guards_code"):
        raise ValueError("it has guards, which are Python code")
    for key, text in _texts(model, ""):
        _check_text(key, text)
    _check_examples(file, members["data/sample_inputs/model.pt"])


def _json(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    if info.file_size > _LARGEST_JSON:
        raise ValueError(f"{info.filename} has {info.file_size:,} bytes")
    return json.loads(file.read(info))


def _check_payload(document: Any) -> None:
    """Weights are raw numbers, none a pickle."""
    for name, payload in document["config"].items():
        if payload["use_pickle"] is not False or not _NAME.fullmatch(payload["path_name"]):
            raise ValueError(f"{name} in it is pickled")
    for key, text in _texts(document, ""):
        _check_text(key, text)


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text of a JSON document and the name it is under; names are texts, too."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield "name", name
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, str):
        yield key, value


def _check_text(key: str, text: str) -> None:
    if key == "target" and "." in text:
        fits = bool(_OPERATOR.fullmatch(text)) and _is_arithmetic(text)
    elif key == "expr_str":
        fits = bool(_SIZE.fullmatch(text))
    elif key in ("in_spec", "out_spec"):
        types = set(re.findall(r'"type": "([^"]*)"', text))
        fits = bool(_TREE.fullmatch(text)) and types <= _TREE_TYPES
    elif key == "as_float":
        fits = text in ("Infinity", "-Infinity", "NaN")
    elif key == "torch_version":
        fits = bool(re.fullmatch(r"[\w.+]*", text))
    else:
        fits = bool(_FREE.get(key, _NAME).fullmatch(text))
    if not fits:
        raise ValueError(f"{key} {text[:80]!r} in it is nothing a network needs")


def _is_arithmetic(target: str) -> bool:
    """Whether an operator takes numbers alone: one that takes a file's name has a text for it."""
    if not target.startswith("torch.ops.aten."):
        return True
    _, _, _, name, overload = target.split(".")
    found: Any = getattr(getattr(torch.ops.aten, name, None), overload, None)
    if found is None:
        return False
    texts = [argument.name for argument in found._schema.arguments if "str" in str(argument.type)]
    return set(texts) <= _WORDS


def _check_examples(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """The example inputs are the one pickle: it has to be read by the reader of tensors alone."""
    if info.file_size > _LARGEST_PICKLE:
        raise ValueError(f"its example inputs have {info.file_size:,} bytes")
    try:
        torch.load(io.BytesIO(file.read(info)), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way; each means the same
        raise ValueError(
            f"its example inputs are more than tensors ({type(error).__name__}); nothing of it "
            "was run"
        ) from error
