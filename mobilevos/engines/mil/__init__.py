"""An interpreter of MIL, Core ML's programs: what a saved `.mlpackage` computes, on a machine without Core ML.

`read_functions` reads a package from disk, with distrust; `Interpreter` evaluates a function of it in PyTorch at the
declared precision. It proves the program, not Apple's runtime: what uses it says so, in the words of `EVALUATED_BY`.
"""

from __future__ import annotations

from mobilevos.engines.mil.interpreter import Interpreter
from mobilevos.engines.mil.program import MilFunction, MilOperation, MilTensor
from mobilevos.engines.mil.reader import read_functions
from mobilevos.engines.mil.state import MilState

__all__ = ["EVALUATED_BY", "Interpreter", "MilFunction", "MilOperation", "MilState", "MilTensor", "read_functions"]

EVALUATED_BY = "evaluated by the MIL interpreter, not by Apple's runtime"
"""What every report of numbers that the interpreter made says."""
