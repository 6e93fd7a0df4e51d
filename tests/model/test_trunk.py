"""ImageNet trunks: torchvision's own numbers, and files that cannot fill one."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mobilevos.errors import InputError
from mobilevos.model.trunk import build_trunk, load_imagenet_weights
from mobilevos.torchvision_guard import import_torchvision

NAMES = ("mobilenet_v2", "resnet18")

# Where torchvision's classifier has the last layer of strides 16, 8 and 4.
LAYERS = {
    "mobilenet_v2": ("features.13", "features.6", "features.3"),
    "resnet18": ("layer3", "layer2", "layer1"),
}


@pytest.fixture(scope="module")
def classifiers() -> dict[str, nn.Module]:
    torch.manual_seed(1)
    models = import_torchvision().models
    return {name: getattr(models, name)(weights=None).eval() for name in NAMES}


@pytest.fixture(params=["safetensors", "pth"])
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Path]:
    classifiers = request.getfixturevalue("classifiers")
    paths = {name: tmp_path / f"{name}.{request.param}" for name in NAMES}
    for name, path in paths.items():
        state = classifiers[name].state_dict()
        if request.param == "pth":
            torch.save(state, path)
        else:
            save_file(state, path)
    return paths


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_a_trunk_gives_the_features_of_torchvisions_classifier(name, classifiers, weights):
    trunk = build_trunk(name).eval()
    load_imagenet_weights(trunk, weights[name])
    seen: dict[str, Tensor] = {}
    layers = dict(classifiers[name].named_modules())
    hooks = [
        layers[layer].register_forward_hook(lambda _m, _i, out, layer=layer: seen.update({layer: out.clone()}))
        for layer in LAYERS[name]
    ]
    image = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    classifiers[name](image)
    for hook in hooks:
        hook.remove()
    features = trunk(image)
    for feature, layer, stride, channels in zip(features, LAYERS[name], (16, 8, 4), trunk.channels, strict=True):
        assert feature.shape == (2, channels, 64 // stride, 96 // stride)
        torch.testing.assert_close(feature, seen[layer])


@pytest.mark.data
def test_every_imagenet_weight_arrives_as_it_is_in_the_file(data_root):
    path = data_root / "weights" / "mobilenet_v2_imagenet_fp16.safetensors"
    trunk = build_trunk("mobilenet_v2").eval()
    load_imagenet_weights(trunk, path)
    stored = load_file(path)
    for name, tensor in trunk.state_dict().items():
        assert tensor.dtype == (torch.int64 if name.endswith("num_batches_tracked") else torch.float32)
        if name in stored:
            assert torch.equal(tensor, stored[name].to(tensor.dtype)), name
    image = torch.linspace(-2, 2, 64).expand(1, 3, 64, 64)
    with torch.inference_mode():
        feature = trunk(image).feature16
    assert feature.isfinite().all()
    assert 0.1 < float(feature.std()) < 10


def test_an_unknown_trunk_is_refused():
    with pytest.raises(InputError, match=r"no trunk named 'vgg'.*mobilenet_v2, resnet18"):
        build_trunk("vgg")


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


def damage(kind: str, whole: Path, path: Path) -> None:
    state = load_file(whole)
    if kind == "truncated":
        path.write_bytes(whole.read_bytes()[:-1000])
    elif kind == "a few bytes":
        path.write_bytes(b"weights")
    elif kind == "empty":
        path.touch()
    elif kind == "a tensor missing":
        del state["features.13.conv.0.0.weight"]
        save_file(state, path)
    elif kind == "another shape":
        state["features.0.0.weight"] = torch.zeros(32, 3, 5, 5)
        save_file(state, path)
    elif kind == "not finite":
        state["features.3.conv.3.bias"][0] = float("nan")
        save_file(state, path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "no ImageNet weights at"),
        ("truncated", "not a readable weights file"),
        ("a few bytes", "not a readable weights file"),
        ("empty", "not a readable weights file"),
        ("a tensor missing", "does not fit the trunk.*features.13.conv.0.0.weight"),
        ("another shape", r"does not fit the trunk.*features.0.0.weight \(32, 3, 3, 3\); found \(32, 3, 5, 5\)"),
        ("not finite", "not finite.*features.3.conv.3.bias"),
    ],
)
def test_weights_that_cannot_fill_a_trunk_are_refused_and_leave_it_as_it_was(kind, said, classifiers, tmp_path):
    whole = tmp_path / "whole.safetensors"
    save_file(classifiers["mobilenet_v2"].state_dict(), whole)
    path = tmp_path / "damaged.safetensors"
    damage(kind, whole, path)
    trunk = build_trunk("mobilenet_v2")
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    with pytest.raises(InputError, match=said):
        load_imagenet_weights(trunk, path)
    assert all(torch.equal(before[name], tensor) for name, tensor in trunk.state_dict().items())


def test_the_weights_of_another_network_are_refused(classifiers, tmp_path):
    save_file(classifiers["resnet18"].state_dict(), tmp_path / "resnet.safetensors")
    with pytest.raises(InputError, match="does not fit the trunk"):
        load_imagenet_weights(build_trunk("mobilenet_v2"), tmp_path / "resnet.safetensors")


@pytest.mark.parametrize("writer", [pickle.dumps, None], ids=["plain pickle", "torch archive"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(writer, tmp_path):
    path, witness = tmp_path / "evil.pth", tmp_path / "it-ran"
    if writer is None:
        torch.save({"features.0.0.weight": Evil(witness)}, path)
    else:
        path.write_bytes(writer(Evil(witness)))
    with pytest.raises(InputError, match="not a readable weights file"):
        load_imagenet_weights(build_trunk("mobilenet_v2"), path)
    assert not witness.exists()
    torch.load(path, weights_only=False) if writer is None else pickle.loads(path.read_bytes())
    assert witness.exists(), "the file would not have run anything: the test above proves nothing"


def test_a_pth_of_something_else_than_named_tensors_is_refused(tmp_path):
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="found list"):
        load_imagenet_weights(build_trunk("mobilenet_v2"), tmp_path / "list.pth")
    torch.save({"features.0.0.weight": "a word"}, tmp_path / "words.pth")
    with pytest.raises(InputError, match=r"features.0.0.weight .*found none"):
        load_imagenet_weights(build_trunk("mobilenet_v2"), tmp_path / "words.pth")
