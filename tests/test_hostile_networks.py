"""Networks in files that want more than to be run: nothing outside is read or written."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from posetrack.checkpoints.weight_files import read_weights
from posetrack.cli import main
from posetrack.estimators.from_file import load_estimator
from posetrack.runtimes.onnx_check import require_own_data
from posetrack.runtimes.openvino import require_plain_xml
from posetrack.runtimes.session import open_exported
from posetrack.runtimes.torch_export import require_plain_program

# ---- TorchScript ----


def test_torchscript_is_not_opened_and_the_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.zeros(1, 3, 4, 4)), str(path))
    for opened in (load_estimator, read_weights):
        with pytest.raises(ValueError, match=r"net\.pt is a TorchScript program.*\.pt2.*\.onnx"):
            opened(path)


def test_a_torchscript_is_recognised_before_torch_looks_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("net/constants.pkl", b"anything")
        file.writestr("net/code/__torch__.py", "op_version_set = 1")
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(ValueError, match="TorchScript program"):
        read_weights(path)


def test_export_to_torchscript_says_what_to_take(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "weights.pth", "--to", "torchscript"])
    assert "take torch-export (.pt2) or onnx" in capsys.readouterr().err


# ---- ONNX ----


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a network, beside a file that is none of its business."""
    (tmp_path / "secret.bin").write_bytes(np.ones(9, np.float32).tobytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def onnx_file(
    folder: Path, location: str, *, side: int = 3, within: str = "initializer", **data: str
) -> Path:
    """A network with one tensor (side, 3, 1, 1) in another file."""
    onnx = pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")
    tensor = onnx.TensorProto(name="w", dims=(side, 3, 1, 1), data_type=onnx.TensorProto.FLOAT)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    data = {"location": location, "offset": "0", "length": str(side * 12), **data}
    for key, value in data.items():
        tensor.external_data.add(key=key, value=value)
    kind = onnx.TensorProto.FLOAT
    images = onnx.helper.make_tensor_value_info("images", kind, [1, 3, 8, 8])
    answer = onnx.helper.make_tensor_value_info("answer", kind, [1, side, 8, 8])
    nodes = [onnx.helper.make_node("Conv", ["images", "w"], ["answer"])]
    given = [tensor]
    if within == "constant":
        nodes = [onnx.helper.make_node("Constant", [], ["w"], value=tensor), *nodes]
        given = []
    graph = onnx.helper.make_graph(nodes, "net", [images], [answer], given)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("within", ["initializer", "constant"])
@pytest.mark.parametrize(
    "location",
    [
        "../secret.bin",
        "{outside}",
        "deeper/../../secret.bin",
        "/dev/zero",
        "/proc/self/environ",
        "",
    ],
)
def test_onnx_data_outside_the_folder_are_not_read(
    folder: Path, location: str, within: str
) -> None:
    outside = str(folder.parent / "secret.bin")
    path = onnx_file(folder, location.format(outside=outside), within=within)
    with pytest.raises(ValueError, match="outside the model's folder; nothing of it was read"):
        require_own_data(path)
    with pytest.raises(ValueError, match="outside the model's folder"):
        open_exported(path, device="cpu")


def test_a_link_does_not_lead_out_either(folder: Path) -> None:
    (folder / "w.bin").symlink_to(folder.parent / "secret.bin")
    with pytest.raises(ValueError, match="outside the model's folder"):
        require_own_data(onnx_file(folder, "w.bin"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"offset": "4"}, "cut short"),
        ({"length": "99999999999"}, "cut short"),
        ({"offset": "-36"}, "a damaged file"),
        ({"offset": "9" * 30}, "a damaged file"),
        ({"length": "12"}, "36 bytes is declared to be in 12 bytes"),
    ],
)
def test_onnx_data_must_be_where_they_are_said_to_be(
    folder: Path, data: dict[str, str], message: str
) -> None:
    (folder / "w.bin").write_bytes(np.ones(9, np.float32).tobytes())
    with pytest.raises(ValueError, match=message):
        require_own_data(onnx_file(folder, "w.bin", **data))


def test_a_shape_cannot_ask_for_more_than_the_file_has(folder: Path) -> None:
    (folder / "w.bin").write_bytes(np.ones(9, np.float32).tobytes())
    path = onnx_file(folder, "w.bin", side=2**40, length="36")
    with pytest.raises(ValueError, match="is declared to be in 36 bytes"):
        require_own_data(path)


def test_onnx_data_beside_the_file_are_fine(folder: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
    (folder / "w.bin").write_bytes(np.ones(9, np.float32).tobytes())
    session = open_exported(onnx_file(folder, "w.bin"), device="cpu")
    assert (session(np.ones((1, 3, 8, 8), np.float32))[0] == 3).all()


@pytest.mark.parametrize("shape", [(1, 3, 60000, 60000), (2_000_000, 3, 64, 64)])
def test_an_input_that_no_memory_holds_is_refused_before_any_is_asked_for(
    folder: Path, shape: tuple[int, ...]
) -> None:
    pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")
    from onnx_files import answering

    from posetrack.detectors.onnx import OnnxDetector

    answer = {"output0": np.zeros((1, 56, 84), np.float32)}
    file = answering(folder / "large.onnx", answer, input_shape=shape)
    with pytest.raises(ValueError, match=r"large\.onnx.* pixels, more than the 67,108,864"):
        load_estimator(file, device="cpu")
    with pytest.raises(ValueError, match="export it for smaller images or batches"):
        OnnxDetector(file)


def test_the_bundled_graphs_pass() -> None:
    from posetrack.build import find_bundled_file

    for kind in ("detector", "estimator"):
        require_own_data(find_bundled_file(kind).with_suffix(".onnx"))


@pytest.mark.parametrize("content", [b"x", b"\xff" * 40, b"\x3a\xff\xff\x03abc", b"\x3b" * 9])
def test_what_is_no_onnx_is_refused_without_a_library(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not an ONNX file, or is cut short"):
        require_own_data(path)


# ---- torch.export ----


def test_operators_that_take_a_files_name_are_refused(tmp_path: Path) -> None:
    class Small(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.gelu(images, approximate="tanh")

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(Small(), (torch.zeros(1, 3, 4, 4),))
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)
        torch.export.save(program, file)
    path = tmp_path / "net.pt2"
    path.write_bytes(file.getvalue())
    require_plain_program(path)  # gelu's text is a choice
    for operator in ("from_file.default", "save.default", "_print.default", "nowhere.default"):
        changed = tmp_path / "changed.pt2"
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
            for info in old.infolist():
                content = old.read(info)
                if info.filename.endswith("models/model.json"):
                    assert b"torch.ops.aten.gelu.default" in content
                    content = content.replace(b"gelu.default", operator.encode())
                new.writestr(info.filename, content)
        with pytest.raises(ValueError, match="in it is nothing a network needs"):
            require_plain_program(changed)


# ---- OpenVINO ----

XML = """<?xml version="1.0"?>
<net name="net" version="11"><layers><layer id="0" name="w" type="Const" version="opset1">
<data element_type="f32" shape="3, 3, 1, 1" offset="{offset}" size="{size}" />
</layer></layers></net>
"""


def openvino_file(folder: Path, text: str) -> Path:
    (folder / "net.bin").write_bytes(bytes(36))
    path = folder / "net.xml"
    path.write_text(text)
    return path


def test_openvinos_own_xml_passes(folder: Path) -> None:
    require_plain_xml(openvino_file(folder, XML.format(offset=0, size=36)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (XML.format(offset=4, size=36), "bytes up to 40 of net.bin, which has 36"),
        (XML.format(offset=2**64 - 40, size=36), "which has 36"),
        (XML.format(offset=0, size=2**40), "which has 36"),
        ("node { name: 'x' }", "does not begin as XML with <net"),
        (
            '<?xml version="1.0"?><!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]><net/>',
            "does not begin as XML",
        ),
        ('<net><!ENTITY x "xx"></net>', "defines words of its own"),
    ],
    ids=["beyond", "wrapped", "huge", "another library's", "entity first", "entity inside"],
)
def test_other_xml_is_refused_before_openvino_sees_it(
    folder: Path, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        require_plain_xml(openvino_file(folder, text))
