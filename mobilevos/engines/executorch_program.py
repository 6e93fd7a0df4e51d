"""ExecuTorch programs, opened with distrust.

The runtime checks little of a file, and ends the whole process where its log would quote bytes that are not UTF-8. So
the identifier is looked at before it sees a file, every method's inputs and outputs are compared with the contract,
and what it refuses becomes one line. What is left: a file
whose SHA-256 was made to fit and whose damage lies where a delegate's own header is quoted still ends the process.
Such a file is no accident, and `open_engine` opens bundles of strangers in another process (see `EngineProcess`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast
from weakref import WeakSet

from mobilevos.bundle import Bundle
from mobilevos.contract import Signature, TensorSpec, signatures
from mobilevos.errors import InputError

if TYPE_CHECKING:
    from executorch.extension.pybindings._C import (
        ExecuTorchMethod,
        ExecuTorchProgram,
        MethodMeta,
        TensorInfo,
    )

__all__ = ["BundlePrograms", "check_identifier", "set_threads"]

_IDENTIFIER = b"ET12"

_FLOAT32 = 6
"""The runtime's number for it (`ScalarType::Float`)."""


class BundlePrograms:
    """The methods of a bundle's components.

    Args:
        bundle: Of target `executorch`.

    Raises:
        InputError: A file is no program, cannot be loaded, or has not the methods of the contract.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._programs: dict[Path, ExecuTorchProgram] = {}
        self._methods: dict[str, ExecuTorchMethod] = {}
        _IN_PROCESS.add(self)
        expected = signatures(bundle.dimensions)
        for component, signature in expected.items():
            self._check(component, signature)
        for component in expected:
            self.method(component)

    def method(self, component: str) -> ExecuTorchMethod:
        """A component's method, loaded already or again after `unload`."""
        if component not in self._methods:
            path, name = self._bundle.artefact(component)
            program = self._program(path)
            with _refusing(f"{path}: method {name!r} cannot be loaded"):
                self._methods[component] = program.load_method(name)
        return self._methods[component]

    def unload(self) -> None:
        """Lets go of everything that the runtime holds; the next call of a method loads it again."""
        self._methods.clear()
        self._programs.clear()

    def _program(self, path: Path) -> ExecuTorchProgram:
        if path not in self._programs:
            check_identifier(path)
            runtime = _runtime()
            with _refusing(f"{path} is not a readable program"):
                self._programs[path] = runtime._load_program(
                    str(path), program_verification=runtime.Verification.InternalConsistency
                )
        return self._programs[path]

    def _check(self, component: str, signature: Signature) -> None:
        """Compares what the program says of a method with the contract."""
        path, name = self._bundle.artefact(component)
        program = self._program(path)
        with _refusing(f"{path} has no method {name!r} for {component}"):
            metadata = program.method_meta(name)
            found = (_inputs(metadata), _outputs(metadata))
        if found != (_expected(signature.inputs), _expected(signature.outputs)):
            raise InputError(
                f"{path}: method {name!r} does not follow the contract of {component}",
                expected=_text(_expected(signature.inputs), _expected(signature.outputs)),
                found=_text(*found),
                remedy="export the bundle again",
            )


_IN_PROCESS: WeakSet[BundlePrograms] = WeakSet()
"""The loaded methods of a process share its one thread pool, and break if it is replaced under them."""


def set_threads(threads: int) -> None:
    """Sets the size of ExecuTorch's thread pool, for the whole process.

    A loaded method keeps the address of the pool it was loaded with, and calling it after a change would end the
    process. So everything loaded is let go of first, and loads again when it is called.
    """
    runtime = _runtime()
    with redirect_stderr(StringIO()):  # the runtime's remarks on the processor
        if runtime._threadpool_get_thread_count() != threads:
            for programs in _IN_PROCESS:
                programs.unload()
            runtime._unsafe_reset_threadpool(threads)


def check_identifier(path: Path) -> None:
    """Refuses a file that is not an ExecuTorch program, before the runtime would end the process over it.

    Raises:
        InputError: Bytes 4 to 7 are not `ET12`, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"cannot read {path}", found=error.strerror or str(error)) from error
    if head[4:] != _IDENTIFIER:
        raise InputError(f"{path} is not an ExecuTorch program", expected="the identifier ET12", found=repr(head[4:]))


def _runtime() -> ModuleType:
    """The runtime's extension module, which needs libtorch loaded before it.

    `executorch.runtime` is a thin layer over it that imports the whole exporter, TorchDynamo and TorchInductor with it
    for the sake of one decorator: 4 s and lines of warnings, against 20 ms.
    """
    import torch  # noqa: F401
    from executorch.extension.pybindings import _C

    return cast(ModuleType, _C)


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turns the runtime's errors into one line, with its log's first: its exceptions hold but a code.

    The log goes through Python's `sys.stderr`, remarks on the processor with it, which nobody asked for.
    """
    log = StringIO()
    try:
        with redirect_stderr(log):
            yield
    except (RuntimeError, LookupError, UnicodeDecodeError) as error:
        lines = [line for line in log.getvalue().splitlines() if "cpuinfo" not in line]
        found = lines[0] if lines else f"{type(error).__name__} {error}"
        raise InputError(what, found=found[:200], remedy="export the bundle again") from error


_Tensor = tuple[tuple[int, ...], int]


def _expected(specs: Iterable[TensorSpec]) -> list[_Tensor]:
    return [(spec.shape, _FLOAT32) for spec in specs]


def _inputs(metadata: MethodMeta) -> list[_Tensor]:
    return [_tensor(metadata.input_tensor_meta(index)) for index in range(metadata.num_inputs())]


def _outputs(metadata: MethodMeta) -> list[_Tensor]:
    return [_tensor(metadata.output_tensor_meta(index)) for index in range(metadata.num_outputs())]


def _tensor(info: TensorInfo) -> _Tensor:
    return tuple(info.sizes()), info.dtype()


def _text(inputs: list[_Tensor], outputs: list[_Tensor]) -> str:
    def one_side(tensors: list[_Tensor]) -> str:
        return " ".join(
            "x".join(map(str, shape)) + ("" if dtype == _FLOAT32 else f" of type {dtype}") for shape, dtype in tensors
        )

    return f"{one_side(inputs)} -> {one_side(outputs)}"
