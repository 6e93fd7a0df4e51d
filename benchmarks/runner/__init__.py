"""The C++ runner: the loop that a phone runs, on ExecuTorch's own runtime, without Python and without PyTorch.

`benchmarks.runner.build.build_runner` makes it, `benchmarks.runner.payload.payload` reads what that leaves, and
`benchmarks.runner.golden` proves it on a bundle's golden clip. The program's own usage: `mobilevos-runner --help`.
"""
