"""Training: it learns, resumes exactly, and does not depend on the number of processes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from processes import PATIENCE
from torch import nn

from posetrack.checkpoints.loading import load_network
from posetrack.cli import main, parser
from posetrack.ops.crops import UNIT
from posetrack.skeletons import COCO_17
from posetrack.training import (
    CropTask,
    Hardware,
    Recipe,
    Samples,
    measure,
    predict,
    read_coco,
    read_mpii,
    train,
)
from posetrack.training.dataset import Batch
from posetrack.training.losses import joints_mse
from posetrack.training.recipe import PAPER
from posetrack.training.saving import load_state, read_log, save_state, write_log, write_whole
from posetrack.training.validation import network_input


@pytest.fixture
def people(shared):
    data = shared / "data/coco"
    return CropTask(read_coco(data / "test_coco.json", data), input_size=(48, 64))


def small(seed=0):
    """Stride 4, batch normalisation, 17 keypoints; a step takes milliseconds."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 4, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 17, 1)
    )


RECIPE = Recipe(epochs=4, batch_size=5, warm_up=3, max_gradient=1.0, ema=0.9, drops=(3,))


def losses(rows):
    return [row["loss"] for row in rows]


class TestResume:
    def test_a_run_resumed_from_any_epoch_has_the_same_losses_and_weights(self, people, tmp_path):
        whole = small()
        rows = train(whole, people, tmp_path / "whole", recipe=RECIPE, keep_every=1)
        assert len(set(losses(rows))) == 4
        for epoch in (1, 2, 3):
            network = small(seed=9)
            state = tmp_path / "whole" / f"epoch_{epoch:04}.pth"
            again = train(
                network,
                people,
                tmp_path / f"again{epoch}",
                recipe=RECIPE,
                resume=state,
            )
            assert losses(again) == losses(rows)[epoch:]
            for name, value in whole.state_dict().items():
                assert torch.equal(value, network.state_dict()[name])
            states = [load_state(tmp_path / run / "last.pth") for run in ("whole", f"again{epoch}")]
            for name, value in states[0]["average"].items():
                assert torch.equal(value, states[1]["average"][name])

    def test_the_log_goes_on_in_the_same_file(self, people, tmp_path):
        def go(epochs, resume=None):
            recipe = Recipe(epochs=epochs, batch_size=12)
            return train(small(), people, tmp_path, recipe=recipe, resume=resume)

        first = go(2)
        rows = go(4, tmp_path / "last.pth")
        assert losses(rows)[:2] == losses(first)
        with (tmp_path / "log.csv").open(newline="") as file:
            assert [float(row["loss"]) for row in csv.DictReader(file)] == losses(rows)

    def test_other_settings_and_networks_are_refused_by_name(self, people, tmp_path):
        recipe = Recipe(epochs=1, batch_size=12)
        train(small(), people, tmp_path, recipe=recipe)
        other = Recipe(epochs=2, batch_size=6)
        with pytest.raises(ValueError, match="batch_size 12 instead of 6"):
            train(small(), people, tmp_path, recipe=other,
                  resume=tmp_path / "last.pth")  # fmt: skip
        wider = nn.Sequential(nn.Conv2d(3, 17, 5, 4, 2))
        with pytest.raises(ValueError, match="of another network"):
            train(wider, people, tmp_path, recipe=recipe,
                  resume=tmp_path / "last.pth")  # fmt: skip


class TestFiles:
    def test_a_file_that_fails_half_way_leaves_the_old_one(self, tmp_path, monkeypatch):
        path = tmp_path / "a"
        write_whole(path, b"old")
        monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            write_whole(path, b"new")
        assert path.read_bytes() == b"old"

    def test_damaged_and_foreign_states_are_refused(self, tmp_path):
        path = tmp_path / "last.pth"
        save_state(path, {"epoch": 1})
        with pytest.raises(ValueError, match="no settings, network"):
            load_state(path)
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(ValueError, match="cannot be read"):
            load_state(path)
        torch.save({"weight": torch.zeros(1)}, path)
        with pytest.raises(ValueError, match="weights alone"):
            load_state(path)

    def test_a_state_that_wants_code_to_run_is_refused(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return print, ("run",)

        path = tmp_path / "last.pth"
        torch.save({"format": "posetrack training 1", "x": Evil()}, path)
        with pytest.raises(ValueError, match="cannot be read"):
            load_state(path)

    def test_logs_keep_every_digit(self, tmp_path):
        rows = [{"epoch": 0, "loss": 1 / 3}, {"epoch": 1, "loss": 2e-17, "AP": 0.1}]
        write_log(tmp_path / "log.csv", rows)
        again = read_log(tmp_path / "log.csv", before=9)
        assert [row["loss"] for row in again] == [1 / 3, 2e-17]
        assert len(read_log(tmp_path / "log.csv", before=1)) == 1


class TestRecipe:
    def test_the_learning_rate_is_the_papers(self):
        rates = [PAPER.at(epoch=epoch, step=0) for epoch in (0, 89, 90, 119, 120, 139)]
        assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])

    def test_warm_up_rises_to_the_rate(self):
        recipe = Recipe(warm_up=4)
        rates = [recipe.at(epoch=0, step=step) for step in range(6)]
        assert rates == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3, 1e-3])

    @pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"ema": 1.0}, {"learning_rate": -1.0}])
    def test_nonsense_is_refused(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Recipe(**wrong)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_was(people, tmp_path):
    network = small()
    train(network, people, tmp_path, recipe=Recipe(epochs=1, batch_size=12))
    with torch.no_grad():
        network[3].weight.fill_(np.nan)
    kept = (tmp_path / "last.pth").read_bytes()
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train(network, people, tmp_path, recipe=Recipe(epochs=2, batch_size=12))
    assert (tmp_path / "last.pth").read_bytes() == kept


def test_network_input_is_the_crops_normalised():
    crops = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    crops[..., 0] = 255
    assert network_input(crops, UNIT)[0, :, 0, 0].tolist() == [0, 0, 1]


def test_perfect_heatmaps_measure_perfect_on_every_kind_of_data(shared):
    data = shared / "data"
    coco = read_coco(data / "coco/test_coco.json", data / "coco")
    mpii = read_mpii(data / "mpii/test_mpii.json", data / "mpii")
    for people, truth in ((coco, data / "coco/test_coco.json"), (mpii, None)):
        xy = np.nan_to_num(people.xy).astype(np.float32)
        row = measure(people, xy, np.ones(xy.shape[:2], np.float32), truth=truth)
        assert all(value == pytest.approx(1.0) for value in row.values()), row
    assert {"PCKh@0.5", "PCKh@0.1"} <= set(row)


# On a single core torch advises against workers.
@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")
def test_more_workers_and_channels_last_change_no_loss(people, tmp_path):
    recipe = Recipe(epochs=2, batch_size=4)
    alone = train(small(), people, tmp_path / "a", recipe=recipe)
    hardware = Hardware(torch.device("cpu"), workers=2)
    two = train(small(), people, tmp_path / "b", recipe=recipe, hardware=hardware)
    assert losses(alone) == losses(two)
    hardware = Hardware(torch.device("cpu"), channels_last=True)
    other = train(small(), people, tmp_path / "c", recipe=recipe, hardware=hardware)
    assert losses(other) == pytest.approx(losses(alone), rel=1e-5)


class TestCommandLine:
    def options(self, shared, out, *more):
        data = shared / "data/coco"
        return [
            "train", "--data", "coco", "--images", str(data),
            "--annotations", str(data / "test_coco.json"), "--arch", "resnet18",
            "--size", "64x32", "--epochs", "1", "--batch-size", "6", "--quiet",
            "--device", "cpu", "-o", str(out), *more,
        ]  # fmt: skip

    @pytest.mark.slow
    def test_two_processes_have_the_losses_of_one(self, shared, tmp_path):
        assert main(self.options(shared, tmp_path / "one")) == 0
        # 64 x 32 pixels leave a 2 x 1 map of 3 people in each process: it takes the statistics
        # of both together to come out as one process does.
        subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
             "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "-m", "posetrack",
             *self.options(shared, tmp_path / "two")],
            check=True, capture_output=True, timeout=PATIENCE,
        )  # fmt: skip
        one, two = (
            read_log(tmp_path / name / "log.csv", before=99)[0]["loss"] for name in ("one", "two")
        )
        assert two == pytest.approx(one, rel=1e-4)

    @pytest.mark.slow
    def test_it_overfits_a_handful_of_people_to_pck_one(self, shared, tmp_path, capsys):
        rows = json.loads((shared / "data/coco/test_coco.json").read_text())
        rows["annotations"] = [row for row in rows["annotations"] if row["num_keypoints"] > 14][:2]
        file = tmp_path / "two.json"
        file.write_text(json.dumps(rows))
        out = tmp_path / "run"
        common = ["--data", "coco", "--images", str(shared / "data/coco"), "--annotations",
                  str(file), "--no-flip-test", "--device", "cpu", "--size", "64x64"]  # fmt: skip
        main(
            [
                "train",
                *common,
                "-o",
                str(out),
                "--arch",
                "light",
                "--epochs",
                "60",
                "--learning-rate",
                "0.002",
                "--save-every",
                "200",
                "--batch-size",
                "2",
                "--drops",
                "45",
                "--sigma",
                "1.5",
                "--scale",
                "0",
                "--rotation",
                "0",
                "--flip",
                "0",
                "--quiet",
            ]
        )
        best = next(path for path in out.iterdir() if path.stem == "best")
        capsys.readouterr()
        assert main(["validate", *common, "--weights", str(best), "--json"]) == 0
        numbers = json.loads(capsys.readouterr().out)
        assert numbers["PCK@0.1"] == 1.0
        assert numbers["AP"] > 0.5
        record = json.loads((out / "arguments.json").read_text())
        assert record["recipe"]["drops"] == [45]
        assert record["arguments"]["arch"] == "light"
        network, about = load_network(best, input_size=(64, 64))
        assert about.skeleton == COCO_17
        people = read_coco(file, shared / "data/coco")
        xy, _ = predict(
            network, people, input_size=(64, 64), normalisation=about.normalisation, flip_test=False
        )
        assert measure(people, xy, np.ones(xy.shape[:2], np.float32))["PCK@0.1"] == 1.0

    def test_a_folder_with_a_run_is_not_overwritten(self, shared, tmp_path, capsys):
        (tmp_path / "last.pth").write_bytes(b"")
        assert main(self.options(shared, tmp_path)) == 1
        assert "go on with --resume" in capsys.readouterr().err

    def test_missing_options_are_named(self, capsys):
        assert main(["train", "--data", "coco"]) == 1
        assert "missing: --images, --annotations, --out" in capsys.readouterr().err

    def test_a_toml_file_holds_options_and_the_command_line_counts_more(self, tmp_path, capsys):
        file = tmp_path / "run.toml"
        file.write_text(
            'data = "mpii"\nsize = "64x48"\nepochs = 7\ndrops = [3, 5]\nunbiased = true'
        )
        args = parser().parse_args(["train", "--epochs", "2", "--config", str(file)])
        assert (args.data, args.size, args.epochs) == ("mpii", (48, 64), 2)
        assert (args.drops, args.unbiased) == ([3, 5], True)
        for wrong in ('dat = "coco"', 'data = "cocoa"', "epochs = [1]", "unbiased = 3"):
            file.write_text(wrong)
            with pytest.raises(SystemExit):
                parser().parse_args(["train", "--config", str(file)])
            assert str(file) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--no-batch-norm"], "go with --arch hrnet_w32 and hrnet_w48, not with resnet50"),
        (["--arch", "light", "--norm", "group"], "not with light"),
        (["--arch", "light", "--freeze", "3"], "go with --arch mobile and detector_mobile"),
        (
            ["--arch", "hrnet_w32", "--activation", "identity", "--init", "bundled"],
            "--init has its own",
        ),
    ],
)
def test_layers_that_a_network_cannot_have_are_refused(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data", "mpii", "--annotations", "here.json", "--images", "here", "-o", "run"]
    assert main(["train", *given, *words]) == 1
    assert line in capsys.readouterr().err


def test_a_trunk_learns_at_a_rate_of_its_own_also_after_a_stop(shared, tmp_path):
    from functools import partial

    from posetrack.networks.light_trunk import LightTrunk
    from posetrack.networks.pose_light import PoseLight
    from posetrack.training.run import Run

    data = shared / "data/coco"
    people = CropTask(read_coco(data / "test_coco.json", data), input_size=(32, 64))
    trunk = partial(LightTrunk, (4, 4, 4, 4), (0, 0, 0, 0), 4)
    network = PoseLight(17, trunk=trunk, deconv_channels=(4, 4, 4))
    recipe = Recipe(epochs=1, batch_size=12, trunk_rate=1e-9, learning_rate=1e-2)
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    train(network, people, tmp_path, recipe=recipe)
    moved = {
        name: float((weight.detach() - before[name]).abs().max())
        for name, weight in network.named_parameters()
    }
    assert max(move for name, move in moved.items() if name.startswith("trunk.")) < 1e-8
    assert max(move for name, move in moved.items() if not name.startswith("trunk.")) > 1e-3
    run = Run(network, people, recipe, Hardware(torch.device("cpu")))
    run.restore(tmp_path / "last.pth")
    assert [group.get("share", 1) for group in run.optimizer.param_groups] == [1, 1e-9]
    with pytest.raises(ValueError, match="trunk_rate must be positive"):
        Recipe(trunk_rate=0)


def test_left_and_right_count_besides_where_the_recipe_says_so(shared):
    data = shared / "data/coco"
    people = CropTask(read_coco(data / "test_coco.json", data), input_size=(32, 64))
    generator = torch.Generator().manual_seed(1)
    maps, target = (torch.rand(2, 17, 16, 8, generator=generator) for _ in range(2))
    batch = Batch(torch.zeros(2), target, torch.ones(2, 17), torch.arange(2))
    plain, more, most = (people.loss(maps, batch, Recipe(side_weight=n)).item() for n in (0, 1, 3))
    assert plain < more
    assert most - plain == pytest.approx(3 * (more - plain))
    assert plain == pytest.approx(joints_mse(maps, target, torch.ones(2, 17)).item())


@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_a_network_trained_without_activations_says_so_in_its_file(activation: str) -> None:
    from posetrack.cli.train_crops import new_network
    from posetrack.training.recipe import POSETRACK

    network = new_network("hrnet_w8", 17, activation=activation)
    options = {} if network.activations else {"activations": False}
    nobody = np.zeros((0, 4))
    people = Samples(COCO_17, (), np.zeros((0, 17, 2)), nobody, None, None, np.zeros(0), ())
    task = CropTask(people, options=options)
    assert task.header(POSETRACK).get("told", {}) == options
