"""A network that computes in float what 8 bits would hold, with gradients: the forward pass of `stage=qat`.

The graphs are those of the export (PT2E, `prepare_qat_pt2e` under the one quantizer) but for their batch dimension,
which is free, and their size, which is the training crop's. They hold no state: kernels are folded from the network's
in every step, and ranges are shared by all graphs, by site.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from mobilevos.model.encoders import QueryFeatures
from mobilevos.model.folding import fold_batch_norm
from mobilevos.model.int8_weights import kernel_scale
from mobilevos.model.memory_read import read_memory
from mobilevos.model.network import MemoryNetwork
from mobilevos.quantization.biases import round_bias
from mobilevos.quantization.learned_range import LearnedRange
from mobilevos.quantization.program import quantizing
from mobilevos.quantization.ranges import Range, Ranges, range_of
from mobilevos.quantization.sites import operator_of, output_sites, site_names
from mobilevos.quantization.specification import KNOWN_RANGES, WEIGHTS, Specification

__all__ = ["FakeQuantizedNetwork", "LearnedRanges", "RoundedBias", "TrainingGraphs", "trace_training_graphs"]

_BATCH = 2
"""To trace with: PyTorch takes 1 for a constant."""


class LearnedRanges(nn.Module):
    """The ranges of a network, by site.

    Args:
        ranges: To start from.
        learnt: Sites whose ranges learn. The others' are kept as they are.
    """

    def __init__(self, ranges: Ranges, learnt: Iterable[str]) -> None:
        super().__init__()
        learnt = frozenset(learnt)
        self._by_site = nn.ModuleDict(
            {_key(site): LearnedRange(one, learns=site in learnt) for site, one in ranges.items()}
        )
        self._sites = tuple(ranges)

    def __getitem__(self, site: str) -> LearnedRange:
        """The module that rounds a site."""
        module = self._by_site[_key(site)]
        assert isinstance(module, LearnedRange)
        return module

    def start_from(self, ranges: Ranges) -> None:
        """Sets every range, as if built from these.

        Raises:
            InputError: A site has none.
        """
        for site in self._sites:
            self[site].start_from(range_of(site, ranges))

    def ranges(self) -> dict[str, Range]:
        """As they stand."""
        return {site: self[site].range() for site in self._sites}


def _key(site: str) -> str:
    return site.replace(".", ":")  # which modules may be named


class _RoundedKernel(nn.Module):
    """Rounds a kernel `[Cout, ...]` to 8 bits and back, each channel by its largest magnitude."""

    def forward(self, kernel: Tensor) -> Tensor:
        scale = kernel_scale(kernel.detach())
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(kernel, scale, zero, 0, WEIGHTS.minimum, WEIGHTS.maximum)


class _EncodeQuery(nn.Module):
    def __init__(self, network: MemoryNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.encode_query(image))


class _EncodeMemory(_EncodeQuery):
    def forward(self, feature16: Tensor, feature8: Tensor, masks: Tensor, others: Tensor) -> Tensor:  # type: ignore[override]
        value: Tensor = self.network.memory_encoder(feature16, feature8, masks, others)
        return value


class _Decode(_EncodeQuery):
    def forward(  # type: ignore[override]
        self, readout: Tensor, feature16: Tensor, feature8: Tensor, feature4: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.network.decode_with_features(readout, QueryFeatures(readout[:0], feature16, feature8, feature4))


_MODULES: dict[str, tuple[type[_EncodeQuery], tuple[str, ...], tuple[str, ...]]] = {
    "encode_query": (_EncodeQuery, ("image",), ("key", "feature16", "feature8", "feature4")),
    "encode_memory": (_EncodeMemory, ("feature16", "feature8", "masks", "others"), ("value",)),
    "decode": (_Decode, ("readout", "feature16", "feature8", "feature4"), ("features", "logits")),
}
"""In the order of a step: class, and names of inputs and outputs."""


@dataclass(frozen=True)
class RoundedBias:
    """A bias that integer kernels hold at the product of two scales.

    Attributes:
        bias: Name of the parameter.
        kernel: Of the convolution's kernel.
        rounding: Name of the submodule that rounds what the convolution takes.
    """

    bias: str
    kernel: str
    rounding: str


@dataclass(frozen=True)
class TrainingGraphs:
    """The graphs of a network's layers, with a place for a rounding wherever the export rounds.

    Attributes:
        graphs: By component of the contract.
        rounded: By graph and name of the submodule that rounds it, the site.
        biases: By graph, those of convolutions in integers.
    """

    graphs: Mapping[str, fx.GraphModule]
    rounded: Mapping[str, Mapping[str, str]]
    biases: Mapping[str, tuple[RoundedBias, ...]]

    @property
    def sites(self) -> frozenset[str]:
        """All that need a range."""
        return frozenset(site for one in self.rounded.values() for site in one.values())

    @property
    def learnt(self) -> frozenset[str]:
        """Sites whose range is not fixed by the contract."""
        fixed = {site for site in self.sites if site in KNOWN_RANGES or site in ("masks", "others")}
        return self.sites - fixed

    def round_by(self, ranges: LearnedRanges) -> None:
        """Puts ranges into all graphs."""
        for name, graph in self.graphs.items():
            for submodule, site in self.rounded[name].items():
                graph.set_submodule(submodule, ranges[site])


def trace_training_graphs(network: MemoryNetwork, crop: int, specification: Specification) -> TrainingGraphs:
    """Traces a network's layers at the training crop.

    Args:
        network: Left as it is.
        crop: Side of the training frames, pixels, a multiple of 16.
        specification: What is quantized.

    Raises:
        InputError: ExecuTorch, whose quantizer is used, is not installed.
    """
    from torch.export import Dim

    folded = fold_batch_norm(network).cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    shapes = _shapes(folded, crop)
    graphs, rounded, biases, handed = {}, {}, {}, dict[str, str]()
    with quantizing():
        from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e

        from mobilevos.quantization.quantizer import SpecificationQuantizer

        for name, (module, inputs, outputs) in _MODULES.items():
            given = tuple(torch.zeros(_BATCH, *shapes[one]) for one in inputs)
            free = tuple({0: Dim("batch", min=1)} for _ in inputs)
            program = torch.export.export(module(folded), given, dynamic_shapes=free)
            graph = program.module(check_guards=False)
            assert isinstance(graph, fx.GraphModule)
            sites = site_names(graph.graph, handed)
            handed |= {key: site for key, site in output_sites(graph.graph, outputs).items() if name != "encode_memory"}
            prepared = prepare_qat_pt2e(graph, SpecificationQuantizer(specification, training=True))
            graphs[name] = prepared
            rounded[name] = _rounded_sites(prepared, sites)
            biases[name] = _rounded_biases(prepared)
    return TrainingGraphs(graphs, rounded, biases)


def _shapes(network: MemoryNetwork, crop: int) -> dict[str, tuple[int, ...]]:
    """Of each input without its batch dimension."""
    c16, c8, c4 = network.query_encoder.trunk.channels
    return {
        "image": (3, crop, crop),
        "feature16": (c16, crop // 16, crop // 16),
        "feature8": (c8, crop // 8, crop // 8),
        "feature4": (c4, crop // 4, crop // 4),
        "masks": (1, crop, crop),
        "others": (1, crop, crop),
        "readout": (network.config.value_channels, crop // 16, crop // 16),
    }


def _rounded_sites(graph: fx.GraphModule, sites: Mapping[str, str]) -> dict[str, str]:
    """Puts the rounding of kernels into a graph, and finds what rounds activations: the site by the submodule."""
    rounded = {}
    for node in graph.graph.nodes:
        if node.op != "call_module":
            continue
        source = node.args[0]
        if source.op == "get_attr":
            graph.set_submodule(str(node.target), _RoundedKernel())
            continue
        while source.op == "call_module":  # rounded for who computes it, and again for who takes it
            source = source.args[0]
        rounded[str(node.target)] = sites[source.name]
    return rounded


def _rounded_biases(graph: fx.GraphModule) -> tuple[RoundedBias, ...]:
    found = []
    for node in graph.graph.nodes:
        if operator_of(node) != "conv2d" or len(node.args) < 3 or node.args[2] is None:
            continue
        image, kernel, bias = node.args[:3]
        if image.op == kernel.op == "call_module":
            found.append(RoundedBias(str(bias.target), str(kernel.args[0].target), str(image.target)))
    return tuple(found)


class FakeQuantizedNetwork:
    """The methods of a `SpaceTimeMemory` over training graphs, for the length of a step.

    Args:
        graphs: Of the network, with ranges in them.
        weights: From `folded_weights`.
    """

    def __init__(self, graphs: TrainingGraphs, weights: Mapping[str, Tensor]) -> None:
        self._graphs, self._biases = graphs.graphs, graphs.biases
        self._weights = {f"network.{name}": tensor for name, tensor in weights.items()}

    def encode_query(self, image: Tensor) -> QueryFeatures:
        """See `MemoryNetwork.encode_query`."""
        return QueryFeatures(*self._call("encode_query", image))

    def encode_memory(self, query: QueryFeatures, masks: Tensor, others: Tensor) -> Tensor:
        """See `MemoryNetwork.encode_memory`."""
        value: Tensor = self._call("encode_memory", query.feature16, query.feature8, masks, others)
        return value

    def read_memory(self, query_key: Tensor, memory_key: Tensor, memory_value: Tensor) -> Tensor:
        """See `MemoryNetwork.read_memory`; in float, as the specification says."""
        return read_memory(query_key, memory_key, memory_value)

    def decode_with_features(self, readout: Tensor, query: QueryFeatures) -> tuple[Tensor, Tensor]:
        """See `MemoryNetwork.decode_with_features`."""
        features, logits = self._call("decode", readout, query.feature16, query.feature8, query.feature4)
        return features, logits

    def _call(self, name: str, *inputs: Tensor) -> Tensor:
        graph = self._graphs[name]
        weights = {key: self._weights[key] for key, _ in graph.named_parameters() if key in self._weights}
        for one in self._biases[name]:
            learnt = graph.get_submodule(one.rounding)
            assert isinstance(learnt, LearnedRange)
            scale, bias = kernel_scale(weights[one.kernel].detach()), weights[one.bias]
            rounded = round_bias(bias.detach(), learnt.range().scale, scale)
            weights[one.bias] = bias + (rounded - bias.detach())  # whose gradient is the bias's own
        result: Tensor = functional_call(graph, weights, inputs)
        return result
