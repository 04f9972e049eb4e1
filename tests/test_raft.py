"""RAFT with random weights, and what is around it with a model whose flow is known."""

import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import raft_large, raft_small

from posetrack.flows.raft import MIN_SIDE, RaftFlow, load_raft, sample_on_device
from posetrack.ops.motion import sample_field


def image(size=(90, 70), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)


class KnownFlow:
    """A model whose flow is a linear function of the place; remembers what it was given."""

    def __init__(self, coefficients=((0, 0, 2), (0, 0, -1))):
        self.coefficients, self.calls = torch.tensor(coefficients, dtype=torch.float32), []

    def __call__(self, first, second, num_flow_updates):
        self.calls.append((first, second, num_flow_updates))
        height, width = first.shape[2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        place = torch.stack([x, y, torch.ones_like(x)]).float()
        wrong = torch.full((1, 2, height, width), 99.0)
        return [wrong, torch.einsum("ij,jhw->ihw", self.coefficients, place)[None]]


@pytest.fixture(scope="session", params=[raft_small, raft_large], ids=["small", "large"])
def network(request):
    torch.manual_seed(0)
    return request.param(weights=None).eval()


def test_a_known_flow_moves_the_points():
    flow = RaftFlow(KnownFlow(), device="cpu", scale=1.0)
    state = flow.prepare(image())
    xy, valid = flow.move(state, state, [[10, 20.25], [0, 0.5], [89, 69]])
    assert xy.tolist() == [[12, 19.25], [2, -0.5], [91, 68]]
    assert valid.tolist() == [True, True, False]
    assert xy.dtype == np.float32


def test_a_known_flow_is_sampled_between_pixels_and_scaled_to_the_full_image():
    coefficients = ((0.1, 0.02, 1), (-0.03, 0.05, -2))
    flow = RaftFlow(KnownFlow(coefficients), device="cpu", scale=0.5)
    state = flow.prepare(image((200, 160)))
    xy = np.array([[30.2, 40.7], [101, 99.5]], np.float32)
    moved, valid = flow.move(state, state, xy)
    small = (xy + 0.5) / 2 - 0.5
    expected = xy + 2 * (np.column_stack([small, [1, 1]]) @ np.array(coefficients).T)
    assert valid.all()
    np.testing.assert_allclose(moved, expected, rtol=1e-4)


def test_the_network_sees_rgb_in_its_range_padded_by_the_border():
    model = KnownFlow()
    flow = RaftFlow(model, device="cpu", scale=1.0, updates=7)
    picture = np.zeros((70, 250, 3), np.uint8)
    picture[..., 2] = 255  # red, in BGR
    picture[:, -1] = (255, 0, 0)
    state = flow.prepare(picture)
    flow.move(state, state, [[1, 1]])
    first, second, updates = model.calls[0]
    assert first.shape == second.shape == (1, 3, MIN_SIDE, 256)
    assert first[0, :, 5, 5].tolist() == [1, -1, -1]
    assert first[0, :, 100, 253].tolist() == [-1, -1, 1]
    assert updates == 7


@pytest.mark.parametrize(
    ("size", "padded"),
    [((1, 1), (128, 128)), ((130, 128), (128, 136)), ((640, 360), (360, 640))],
)
def test_sides_are_padded_to_multiples_of_eight_and_at_least_128(size, padded):
    model = KnownFlow()
    flow = RaftFlow(model, device="cpu", scale=1.0)
    state = flow.prepare(image(size))
    flow.move(state, state, [[0, 0]])
    assert tuple(model.calls[0][0].shape[2:]) == padded


def test_without_points_the_model_is_not_run():
    model = KnownFlow()
    flow = RaftFlow(model, device="cpu")
    state = flow.prepare(image())
    for xy in ([], np.zeros((0, 2)), [[np.nan, 1]], [[-5, -5]]):
        moved, valid = flow.move(state, state, xy)
        assert moved.shape == (len(xy), 2)
        assert not valid.any()
    assert model.calls == []


def test_unknown_points_stay_unknown_and_the_points_given_are_unchanged():
    flow = RaftFlow(KnownFlow(), device="cpu")
    state = flow.prepare(image())
    xy = np.array([[np.nan, np.nan], [3, 4], [-2, 1]], np.float32)
    kept = xy.copy()
    moved, valid = flow.move(state, state, xy)
    np.testing.assert_array_equal(xy, kept)
    assert valid.tolist() == [False, True, False]
    assert np.isnan(moved[[0, 2]]).all()


def test_images_of_two_sizes_are_refused():
    flow = RaftFlow(KnownFlow(), device="cpu")
    with pytest.raises(ValueError, match=r"\(90, 70\) and \(70, 90\)"):
        flow.move(flow.prepare(image()), flow.prepare(image((70, 90))), [[1, 1]])


def test_sampling_agrees_with_sampling_on_the_host():
    rng = np.random.default_rng(0)
    field = rng.normal(size=(9, 13, 2)).astype(np.float32)
    xy = rng.uniform((-0.5, -0.5), (12.5, 8.5), (50, 2)).astype(np.float32)
    flow = torch.from_numpy(field).permute(2, 0, 1)[None]
    on_device = sample_on_device(flow, torch.from_numpy(xy)).numpy()
    np.testing.assert_allclose(on_device, sample_field(field, xy), atol=1e-5)


def test_kept_features_give_what_the_whole_network_gives(network):
    pictures = [image((136, 128), seed) for seed in range(3)]
    flow = RaftFlow(network, device="cpu", scale=1.0, updates=1)
    states = [flow.prepare(picture) for picture in pictures]
    xy = np.array([[20, 30], [64.5, 99.25], [130, 8]], np.float32)
    for first, second in ((0, 1), (1, 2)):
        with torch.inference_mode():
            field = network(states[first][0], states[second][0], num_flow_updates=1)[-1]
        field = field[0].permute(1, 2, 0).numpy()
        moved, _ = flow.move(states[first], states[second], xy)
        np.testing.assert_allclose(moved, xy + sample_field(field, xy), atol=1e-3)


def test_the_feature_encoder_sees_each_image_once(network):
    flow = RaftFlow(network, device="cpu", updates=1)
    seen = []
    flow._encoder.register_forward_hook(lambda module, inputs, output: seen.append(inputs))
    states = [flow.prepare(image(seed=seed)) for seed in range(3)]
    flow.move(states[0], states[1], [[5, 5]])
    flow.move(states[1], states[2], [[5, 5]])
    assert len(seen) == 3


def test_the_network_given_is_left_as_it_was():
    network = raft_small(weights=None).train()
    flow = RaftFlow(network, device="cpu", updates=1)
    state = flow.prepare(image())
    flow.move(state, state, [[5, 5]])
    assert network.training
    assert network.corr_block.corr_pyramid[0].numel() == 1  # as made: no pair was in work in it


def test_a_state_survives_as_numpy_arrays_and_the_buffer_may_be_reused(network):
    flow = RaftFlow(network, device="cpu", updates=1)
    picture = image()
    before, after = flow.prepare(picture), flow.prepare(image(seed=1))
    picture[:] = 0
    expected = flow.move(before, after, [[30, 40]])
    restored = tuple(np.array(torch.as_tensor(part).numpy()) for part in before)
    got = RaftFlow(network, device="cpu", updates=1).move(restored, after, [[30, 40]])
    np.testing.assert_array_equal(got[0], expected[0])


@pytest.mark.parametrize("kind", [raft_small, raft_large])
def test_a_file_of_weights_says_which_network_it_is_for(kind, tmp_path):
    torch.manual_seed(1)
    network = kind(weights=None)
    torch.save(network.state_dict(), tmp_path / "raft.pth")
    loaded = load_raft(tmp_path / "raft.pth")
    for one, other in zip(network.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(one, other)


def test_weights_of_something_else_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="raft_small or raft_large"):
        RaftFlow(tmp_path / "other.pth", device="cpu")
    with pytest.raises(FileNotFoundError):
        RaftFlow(tmp_path / "missing.pth", device="cpu")


@pytest.mark.parametrize(
    ("settings", "message"), [({"updates": 0}, "updates"), ({"scale": 2}, "scale")]
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        RaftFlow(KnownFlow(), device="cpu", **settings)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_half_precision_on_a_gpu_stays_close_to_single(network):
    pictures = image((256, 192)), image((256, 192), 1)
    xy = np.array([[50, 60], [200, 100]], np.float32)
    moved = []
    for half in (False, True):
        flow = RaftFlow(network, device="cuda", half=half, updates=3)
        moved.append(flow.move(*(flow.prepare(picture) for picture in pictures), xy)[0])
    np.testing.assert_allclose(moved[0], moved[1], atol=0.5)
