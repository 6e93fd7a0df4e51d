"""The STCN teacher: the published checkpoint's names and numbers, and the student's shape of use."""

import csv
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from mobilevos.errors import InputError
from mobilevos.model.stcn import Stcn

pytestmark = pytest.mark.slow  # 54 million parameters

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def stcn():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Stcn().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def masks():
    """Two objects on each of two frames, `[4, 1, 32, 48]`, and each object's other one."""
    labels = torch.randint(0, 3, (2, 1, 32, 48), generator=torch.Generator().manual_seed(2))
    masks = torch.stack([labels == 1, labels == 2], dim=1).float()
    return masks.flatten(0, 1), masks.flip(1).flatten(0, 1)


# --- the student's shape of use -------------------------------------------------------------------------------


def test_a_batch_of_frames_with_two_objects_each_goes_through_every_step(stcn, images, masks):
    query = stcn.encode_query(images)
    assert [tuple(x.shape) for x in query] == [(2, 64, 2, 3), (2, 1024, 2, 3), (2, 704, 4, 6), (2, 256, 8, 12)]
    value = stcn.encode_memory(query, *masks)
    assert value.shape == (4, 512, 2, 3)
    readout = stcn.read_memory(query.key, query.key[:, :, None], value.view(2, 2, 512, 1, 2, 3))
    assert readout.shape == (4, 512, 2, 3)
    assert stcn.decode_with_features(readout, query)[0].shape == (4, 256, 8, 12)
    assert stcn.decode(readout, query).shape == (4, 1, 32, 48)


def test_every_frame_and_object_of_a_batch_is_computed_by_itself(stcn, images, masks):
    query = stcn.encode_query(images)
    value = stcn.encode_memory(query, *masks)
    logits = stcn.decode(value, query)
    for b in range(2):
        alone = stcn.encode_query(images[b : b + 1])
        for o in (2 * b, 2 * b + 1):
            one = stcn.encode_memory(alone, masks[0][o : o + 1], masks[1][o : o + 1])
            torch.testing.assert_close(value[o : o + 1], one, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(logits[o : o + 1], stcn.decode(one, alone), atol=1e-4, rtol=1e-4)


def test_a_memory_value_depends_on_frame_mask_and_other_masks(stcn, images, masks):
    query = stcn.encode_query(images)
    value = stcn.encode_memory(query, *masks)
    darker = query._replace(feature8=stcn.encode_query(images * 0.5).feature8)
    for changed in (
        stcn.encode_memory(darker, *masks),
        stcn.encode_memory(query, 1 - masks[0], masks[1]),
        stcn.encode_memory(query, masks[0], 1 - masks[1]),
    ):
        assert (changed - value).abs().max() > 1e-3


def test_the_dimensions_are_those_of_the_tensors(stcn, images):
    query = stcn.encode_query(images)
    dimensions = stcn.dimensions(32, 48, memory_frames=2, objects=1)
    assert dimensions.feature_channels == tuple(x.shape[1] for x in query[1:])
    assert (dimensions.key_channels, dimensions.value_channels) == (query.key.shape[1], 512)


def test_the_memory_takes_ever_more_frames(stcn):
    generator = torch.Generator().manual_seed(3)
    keys = torch.randn(1, 64, 12, 2, 3, generator=generator)
    values = torch.randn(1, 2, 512, 12, 2, 3, generator=generator)
    query = keys[:, :, 11]
    readouts = [stcn.read_memory(query, keys[:, :, :t], values[:, :, :, :t]) for t in (1, 4, 12)]
    assert all(readout.shape == (2, 512, 2, 3) for readout in readouts)
    # The last frame's own keys are the nearest: once it is in the memory, its values are what is read.
    errors = [(readout - values[0, :, :, 11]).abs().max().item() for readout in readouts]
    assert errors[2] < 0.05 < errors[1]


def test_only_the_nearest_twenty_positions_are_read():
    generator = torch.Generator().manual_seed(4)
    query = torch.randn(1, 64, 1, 1, generator=generator)
    # Position j lies j/10 away from the query, and its value is all zeros but for channel j.
    keys = query[..., None] + torch.arange(30.0).view(1, 1, 30, 1, 1) / 10 / 8
    values = torch.eye(512)[:, :30].view(1, 1, 512, 30, 1, 1)
    with torch.device("meta"):
        network = Stcn()
    readout = network.read_memory(query, keys, values).flatten()
    assert (readout[:20] > 0).all()
    assert (readout[20:] == 0).all()


# --- the published checkpoint ---------------------------------------------------------------------------------


def reference_weights(network: Stcn) -> dict[str, Tensor]:
    """The reference's recipe for weights: from the names alone."""
    weights = {}
    for name, tensor in network.state_dict().items():
        if name.endswith(("num_batches_tracked", "running_mean")):
            weights[name] = torch.zeros_like(tensor)
        elif name.endswith("running_var"):
            weights[name] = torch.ones_like(tensor)
        else:
            noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
            scale = name.endswith("weight") and ("bn" in name or "downsample.1" in name)
            weights[name] = 0.05 * noise + scale if tensor.dim() == 1 else noise / tensor[0].numel() ** 0.5
    return weights


@pytest.fixture(scope="module")
def checkpoint(stcn, tmp_path_factory):
    path = tmp_path_factory.mktemp("stcn") / "stcn.pth"
    torch.save(reference_weights(stcn), path)
    return path


@pytest.mark.data
def test_its_names_and_shapes_are_the_published_checkpoints(stcn, data_root):
    with (data_root / "stcn_reference" / "keys.tsv").open() as file:
        published = {row["key"]: row["shape"] for row in csv.DictReader(file, delimiter="\t")}
    own = {name: "x".join(map(str, tensor.shape)) or "scalar" for name, tensor in stcn.state_dict().items()}
    assert own == published


@pytest.mark.data
@torch.no_grad()
def test_it_computes_what_the_public_network_computes(checkpoint, data_root):
    with np.load(data_root / "stcn_reference" / "expected.npz") as file:
        expected = {name: torch.from_numpy(file[name]) for name in file.files}
    generator = torch.Generator().manual_seed(7)
    frame0, frame1 = (torch.rand(1, 3, 96, 160, generator=generator) for _ in range(2))
    mask = expected.pop("mask").float()
    network = Stcn.load_published(checkpoint, top_k=20)
    query0, query1 = network.encode_query(frame0), network.encode_query(frame1)
    value0 = network.encode_memory(query0, mask, mask.flip(0))
    computed = {
        "key0": query0.key,
        "key1": query1.key,
        "thin1": network.key_comp(query1.feature16),
        "value0": value0[:, :, None],
    }
    for top_k in (20, 60):
        network.top_k = top_k
        readout = network.read_memory(query1.key, query0.key[:, :, None], value0[None, :, :, None])
        computed[f"prob1_top{top_k}"] = network.decode(readout, query1).sigmoid()
    assert computed.keys() == expected.keys()
    for name, tensor in expected.items():
        error = (computed[name] - tensor).abs().max() / (tensor.max() - tensor.min())
        assert error <= 1e-4, f"{name}: {error:.1e} of its range"


def test_its_tensors_may_come_as_safetensors(stcn, tmp_path, images):
    save_file(stcn.state_dict(), tmp_path / "stcn.safetensors")
    network = Stcn.load_published(tmp_path / "stcn.safetensors")
    assert not network.training
    torch.testing.assert_close(network.encode_query(images), stcn.encode_query(images), atol=0, rtol=0)


def test_it_normalises_frames_inside(stcn, images):
    normalised = (images - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    torch.testing.assert_close(stcn.encode_query(images).feature4, stcn.key_encoder(normalised).feature4)


def without(weights: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in weights.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: without(w, "key_comp.bias"), r"1 tensors wrong, 0 left over\), first key_comp\.bias.*found none"),
        (lambda w: w | {"head.weight": torch.ones(2)}, r"0 tensors wrong, 1 left over\), first head\.weight"),
        (
            lambda w: w | {"value_encoder.conv1.weight": torch.ones(64, 4, 7, 7)},
            r"first value_encoder\.conv1\.weight.*expected float32 \[64, 5, 7, 7\].*found float32 \[64, 4, 7, 7\]",
        ),
        (lambda w: [w["key_comp.bias"]], "expected a dictionary of tensors.*found list"),
        (lambda w: {"state_dict": {}}, "expected a dictionary of tensors"),
    ],
    ids=["missing", "left over", "single-object checkpoint", "list", "nested"],
)
def test_another_networks_weights_are_refused_in_one_line(stcn, tmp_path, change, message):
    path = tmp_path / "other.pth"
    # Expanded zeros have every shape and hardly a byte.
    zeros = {name: tensor.new_zeros(()).expand(tensor.shape) for name, tensor in stcn.state_dict().items()}
    torch.save(change(zeros), path)
    with pytest.raises(InputError, match=message) as refusal:
        Stcn.load_published(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


class Code:
    def __reduce__(self):
        return print, ("code in a checkpoint was run",)


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "code"])
def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path, kind, capsys):
    path = tmp_path / "stcn.pth"
    if kind == "truncated":
        torch.save({"a": torch.ones(1000)}, path)
        path.write_bytes(path.read_bytes()[:1500])
    elif kind == "code":
        torch.save({"a": Code()}, path)
    elif kind != "missing":
        path.write_text({"empty": "", "text": "not a checkpoint"}[kind])
    with pytest.raises(InputError, match=r"stcn\.pth") as refusal:
        Stcn.load_published(path)
    assert "\n" not in str(refusal.value)
    assert capsys.readouterr().out == ""
