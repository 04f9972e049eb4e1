"""Exported networks opened to be run, whatever their form.

An ONNX or OpenVINO file is data: their libraries run the operators they know and no code from the
file. A TorchScript file is a program of PyTorch's own operators; it cannot run Python, but some
operators read and write files, so open only those of people you trust. A torch.export file is
checked before PyTorch reads it (`posetrack.estimators.pt2_check`). A TensorRT engine is machine
code for a GPU: open only what you made.
"""

from __future__ import annotations

import importlib
import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posetrack.estimators.devices import device_named
from posetrack.estimators.open_network import (
    Batch,
    OpenNetwork,
    about_kept,
    of_onnx,
    onnx_providers,
)
from posetrack.estimators.pt2_check import require_plain_program
from posetrack.estimators.runtimes import as_maps, openvino_settings
from posetrack.networks.about import About, read_about
from posetrack.onnx_session import open_network


def is_exported(path: str | Path) -> bool:
    """Whether a file is an exported network, by its name; a ``.pt`` by what is in it.

    Examples
    --------
    >>> is_exported("net.onnx"), is_exported("net.safetensors")
    (True, False)
    """
    path = Path(path)
    if path.suffix in (".onnx", ".pt2", ".xml", ".engine"):
        return True
    return path.suffix in (".pt", ".pth", ".ts", ".torchscript") and _is_torchscript(path)


def open_exported(
    path: str | Path, *, device: str | torch.device = "auto", threads: int | None = None
) -> OpenNetwork:
    """Open an exported network.

    Parameters
    ----------
    path
        ``.onnx``, ``.xml`` (OpenVINO, its ``.bin`` beside it), ``.pt2`` (torch.export),
        ``.engine`` (TensorRT), or TorchScript under any other name.
    device
        "auto" (CUDA where there is one and the form's library has it), "cpu", "cuda", "cuda:1".
    threads
        For one run on the CPU, with ONNX and OpenVINO; as many as torch uses when None.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, not what its name says, or what it says of itself makes no sense.
    ModuleNotFoundError
        If the form's library is not installed.

    Examples
    --------
    >>> open_exported("nowhere.pt2")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.pt2: there is no such file
    """
    path = Path(path)
    if path.suffix == ".onnx":
        return of_onnx(open_network(path, threads=threads, providers=onnx_providers(device)))
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    if path.suffix == ".xml":
        return _open_openvino(path, threads)
    if path.suffix == ".engine":
        return _open_tensorrt(path, device_named(device))
    open_program = _open_torch_export if path.suffix == ".pt2" else _open_torchscript
    return open_program(path, device_named(device))


def _open_openvino(path: Path, threads: int | None) -> OpenNetwork:
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'running {path} needs OpenVINO: pip install "posetrack[openvino]"'
        ) from error
    core = openvino.Core()
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: OpenVINO cannot read it: {_short(error)}") from error
    place = ["posetrack"]
    text = model.get_rt_info(place).astype(str) if model.has_rt_info(place) else None
    about = about_kept(text, path)
    request = core.compile_model(model, "CPU", openvino_settings(threads)).create_infer_request()

    def run(images: Batch) -> list[NDArray[Any]]:
        answer = request.infer({0: np.ascontiguousarray(images)}, share_inputs=True)
        return [np.array(answer[row]) for row in range(len(answer))]

    return OpenNetwork(path, about, run)


def _open_torchscript(path: Path, device: torch.device) -> OpenNetwork:
    _require_stored(path)
    extra = {"posetrack.json": ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a newer way to the same
            jit: Any = torch.jit
            program = jit.load(str(path), map_location=device, _extra_files=extra)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: not a TorchScript program: {_short(error)}") from error
    text = extra["posetrack.json"]
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    about = about_kept(text or None, path)
    return OpenNetwork(path, about, _runner(_widened(program.eval(), device), device))


def _open_torch_export(path: Path, device: torch.device) -> OpenNetwork:
    require_plain_program(path)
    extra = {"posetrack.json": ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(io.BytesIO(path.read_bytes()), extra_files=extra)
    except Exception as error:  # its reader has no errors of its own
        raise ValueError(f"{path}: not a torch.export file: {_short(error)}") from error
    module: Any = program.module()
    if device.type != "cpu":
        from torch.export.passes import move_to_device_pass

        module = move_to_device_pass(program, str(device)).module()
    else:
        module = _widened(module, device)
    return OpenNetwork(
        path, about_kept(extra["posetrack.json"] or None, path), _runner(module, device)
    )


def _widened(program: Any, device: torch.device) -> Any:
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


def _runner(program: Any, device: torch.device) -> Callable[[Batch], list[NDArray[Any]]]:
    def run(images: Batch) -> list[NDArray[Any]]:
        with torch.no_grad():
            output = program(torch.from_numpy(np.ascontiguousarray(images)).to(device))
        return [part.float().cpu().numpy() for part in as_maps(output)]

    return run


def _open_tensorrt(path: Path, device: torch.device) -> OpenNetwork:
    """Run an engine on torch's CUDA memory. Not tested: no test machine has TensorRT."""
    try:
        trt: Any = importlib.import_module("tensorrt")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"running {path} needs NVIDIA's TensorRT and a GPU: pip install tensorrt"
        ) from error
    if device.type != "cuda":
        raise ValueError(f"{path}: a TensorRT engine runs on a GPU, not on {device}")
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        raise ValueError(f"{path}: made by another version of TensorRT or for another GPU")
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(row) for row in range(engine.num_io_tensors)]
    outputs = [name for name in names if name != "images"]

    def run(images: Batch) -> list[NDArray[Any]]:
        given = torch.from_numpy(np.ascontiguousarray(images)).to(device)
        context.set_input_shape("images", tuple(given.shape))
        context.set_tensor_address("images", given.data_ptr())
        answers = [torch.empty(tuple(context.get_tensor_shape(name)), device=device)
                   for name in outputs]  # fmt: skip
        for name, answer in zip(outputs, answers, strict=True):
            context.set_tensor_address(name, answer.data_ptr())
        stream = torch.cuda.current_stream(device)
        if not context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError("TensorRT failed")
        stream.synchronize()
        return [answer.cpu().numpy() for answer in answers]

    return OpenNetwork(path, read_about(path) or About(), run)


def _is_torchscript(path: Path) -> bool:
    """TorchScript is a zip with ``constants.pkl``, which files of weights have not."""
    try:
        with zipfile.ZipFile(path) as file:
            return any(name.endswith("/constants.pkl") for name in file.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _require_stored(path: Path) -> None:
    """A file that unpacks to much more than it has bytes is none of PyTorch's."""
    try:
        with zipfile.ZipFile(path) as file:
            whole = sum(info.file_size for info in file.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: not a TorchScript program, or cut short: {error}") from error
    if whole > 4 * path.stat().st_size + 64 * 2**20:
        raise ValueError(f"{path}: it would unpack to {whole:,} bytes; a damaged file?")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


class ExportedMaps(nn.Module):
    """An exported network that sees whole images, for the estimators that decode its maps.

    Parameters
    ----------
    network
        Open; its file says what it needs.

    Raises
    ------
    ValueError
        If its file does not say its keypoints.
    """

    def __init__(self, network: OpenNetwork) -> None:
        super().__init__()
        if network.about.skeleton is None or network.about.form is None:
            raise ValueError(f"{network}: the file does not say what its keypoints are")
        self.network = network
        self.keypoints = len(network.about.skeleton)
        self.output_stride = network.about.form.output_stride

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Maps of images (N, 3, H, W); they pass through the host's memory."""
        maps = self.network(images.float().cpu().contiguous().numpy())
        return tuple(torch.from_numpy(np.asarray(part, np.float32)) for part in maps)

    def __deepcopy__(self, memo: object) -> ExportedMaps:
        """Itself: a program that is open is neither copied nor changed."""
        return self
