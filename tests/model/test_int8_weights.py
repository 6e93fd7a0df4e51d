"""Weights in 8 bits: a quarter of the size, and lossless for a network in int8."""

from pathlib import Path

import pytest
import torch

from mobilevos.errors import InputError
from mobilevos.model.checkpoint import load_network, save_network
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.int8_weights import int8_kernel, int8_weights, kernel_scale, state_from_int8_weights
from mobilevos.model.network import MemoryNetwork


def test_every_channel_uses_all_of_its_integers() -> None:
    kernel = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0)) * torch.logspace(-4, 3, 5).view(
        -1, 1, 1, 1
    )
    integers = int8_kernel(kernel, kernel_scale(kernel))
    assert (integers.flatten(1).abs().amax(1) == 127).all()


def test_a_channel_of_zeros_stays_zero() -> None:
    kernel = torch.zeros(2, 1, 1, 1)
    assert torch.equal(int8_kernel(kernel, kernel_scale(kernel)), kernel.to(torch.int8))


def test_what_is_read_back_rounds_to_the_same_integers(student: MemoryNetwork, tmp_path: Path) -> None:
    path = tmp_path / "int8.safetensors"
    save_network(student, path, provenance={"made": "for tests"}, precision="int8")
    first, second = int8_weights(student), int8_weights(load_network(path))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        if name.endswith("kernel"):
            assert torch.equal(second[name], tensor), name
        else:
            torch.testing.assert_close(second[name], tensor, rtol=3e-7, atol=0)
    assert path.stat().st_size < 0.3 * sum(4 * tensor.numel() for tensor in student.state_dict().values())


def test_what_is_read_back_is_written_as_the_same_bytes(student: MemoryNetwork, tmp_path: Path) -> None:
    save_network(student, tmp_path / "a.safetensors", provenance={}, precision="int8")
    save_network(load_network(tmp_path / "a.safetensors"), tmp_path / "b.safetensors", provenance={}, precision="int8")
    first, second = load_network(tmp_path / "a.safetensors"), load_network(tmp_path / "b.safetensors")
    for (name, one), other in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(other, one, rtol=3e-7, atol=0, msg=name)


def test_batch_norms_that_only_add_fold_to_exactly_the_kernel(student: MemoryNetwork) -> None:
    weights = int8_weights(student)
    network = MemoryNetwork(student.config)
    network.load_state_dict(state_from_int8_weights(network, dict(weights)))
    folded = dict(fold_batch_norm(network).named_parameters())
    for name, tensor in weights.items():
        if name.endswith("kernel"):
            scale = weights[name.replace("kernel", "scale")].view(-1, 1, 1, 1)
            assert torch.equal(folded[name.replace("kernel", "weight")], tensor.float() * scale)
        elif name.endswith("bias"):
            assert torch.equal(folded[name], tensor)


@pytest.mark.parametrize("change", ["missing", "left over", "of another shape"])
def test_what_does_not_fit_is_refused(change: str, student: MemoryNetwork) -> None:
    weights = int8_weights(student)
    if change == "missing":
        del weights["decoder.head.scale"]
    elif change == "left over":
        weights["decoder.tail.bias"] = torch.zeros(1)
    else:
        weights["decoder.head.kernel"] = weights["decoder.head.kernel"][:, :3]
    with pytest.raises(InputError, match=r"decoder\.(head|tail)"):
        state_from_int8_weights(MemoryNetwork(student.config), weights)
