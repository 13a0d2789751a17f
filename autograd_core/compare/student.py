"""A student's claim, run so that nothing it does can stop the grading or change what it is judged by.

This keeps mistakes apart from the grading, not attacks: the claim runs in the same process.
"""

from __future__ import annotations

import builtins
import contextlib
import contextvars
import copy
import dis
import inspect
import io
import linecache
import math
import os
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd_core
from autograd_core.errors import _is_inner
from autograd_core.node import next_number
from autograd_core.tensor import Tensor

LONGEST = 100  # characters of a student's own message or line that are repeated


@dataclass(frozen=True)
class Failure:
    """What a claim did instead of returning an array.

    Attributes:
        kind: Equal for equal faults, wherever they happen.
        text: What happened.
        line: The student's own line: `file.py:31: code`, or "" if it has none.
    """

    kind: str
    text: str
    line: str = ""

    def __str__(self) -> str:
        return f"{self.text}, at {self.line}" if self.line else self.text


class ClaimError(Exception):
    """Ends the judging of a claim that failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Guard:
    """A claim with the same signature that takes and gives plain arrays only.

    It is called with read-only copies of NumPy arrays, so it can neither change the evidence nor reach the
    engine's tape through them; what it prints is kept back, its changes of contexts and warnings are undone, and
    whatever goes wrong ends in `ClaimError`.

    Args:
        formula: The student's function.
        traceable: Whether the search for hints, which takes time, may read it as a program.

    Raises:
        ClaimError: It is no function, or one without a signature.

    Attributes:
        calls: How often it was called since the last `reset`.
        printed: The line that printed, or "".
        shape: Of the last answer.
        largest: Elements that an answer may have. More are no gradient of anything here, and not looked at.
        secretive: The claim is given true gradients (`g_<tag>`): what it says in an exception, or in
            the name of a type, may be one and is not repeated.
    """

    def __init__(self, formula: Any, traceable: bool = False) -> None:
        if not callable(formula):
            raise ClaimError(Failure("no function", f"must be a function, got {type(formula).__name__}"))
        try:
            self.__signature__ = inspect.signature(formula)
        except (TypeError, ValueError):
            raise ClaimError(Failure("signature", "must be a function whose parameters have names")) from None
        self.formula: Callable[..., Any] = formula
        self.traceable = traceable
        self.calls = 0
        self.printed = ""
        self.shape: tuple[int, ...] = ()
        self.largest = math.inf
        self.secretive = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The answer as a new array; raises ClaimError for whatever goes wrong."""
        if any(_is_traced(x) for x in (*args, *kwargs.values())):
            return self._trace(args, kwargs)
        self.calls += 1
        given = [_copied(x) for x in args]
        named = {name: _copied(x) for name, x in kwargs.items()}
        silenced = _Silenced()
        start = next_number()
        try:
            with (
                contextlib.redirect_stdout(silenced),
                contextlib.redirect_stderr(silenced),
                warnings.catch_warnings(action="ignore"),
            ):
                # In a context of its own: an error state or grad mode that it sets ends with it.
                answer = contextvars.copy_context().run(lambda: self._plain(self.formula(*given, **named)))
        except ClaimError as stop:
            raise ClaimError(Failure(stop.failure.kind, stop.failure.text, self.definition())) from None
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not self._raises(error):
                raise  # the teacher's
            raise ClaimError(self._raised(error)) from None
        finally:
            self.printed = self.printed or silenced.line
        if next_number() != start + 1:
            text = "computes on the engine's tape; a claim is a formula in NumPy"
            raise ClaimError(Failure("engine", text, self.definition()))
        pairs = zip((*args, *kwargs.values()), (*given, *named.values()), strict=True)
        if not all(_same(original, used) for original, used in pairs):
            raise ClaimError(Failure("writes", WRITES, self.definition()))
        self.shape = answer.shape
        return answer

    def reset(self) -> None:
        """Count the calls anew."""
        self.calls = 0

    def _trace(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The formula read as a program, by the search for hints; what goes wrong means that there is none."""
        if not self.traceable:
            raise ClaimError(Failure("traced", "is not read as a program"))
        silenced = _Silenced()
        try:
            with contextlib.redirect_stdout(silenced), contextlib.redirect_stderr(silenced):
                return contextvars.copy_context().run(self.formula, *args, **kwargs)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not self._raises(error):
                raise
            raise ClaimError(self._raised(error)) from None

    def _plain(self, result: Any) -> np.ndarray[Any, Any]:
        """The result as a new plain array: not the student's own, nor of a type with its own arithmetic."""
        if inspect.iscoroutine(result):
            result.close()  # else Python warns that it was never awaited
            raise ClaimError(Failure("type", "must return one NumPy array, is an async function"))
        if isinstance(result, Tensor) or not isinstance(result, (np.ndarray, np.generic, int, float)):
            kind = f", returns {type(result).__name__}" if self._may_name(type(result)) else ""
            raise ClaimError(Failure("type", f"must return one NumPy array{kind}"))
        if np.size(result) > self.largest:
            text = f"returns shape {np.shape(result)}, far larger than the gradient"
            raise ClaimError(Failure("shape", text))
        array = np.array(result)
        if array.dtype.kind not in "fiu":
            kind = f", returns dtype {array.dtype}" if array.dtype.names is None else ""
            raise ClaimError(Failure("dtype", f"must return real numbers{kind}"))
        return array

    def _may_name(self, kind: type) -> bool:
        """Whether the name of a type tells nothing: a name that the student gave may be made of numbers."""
        known = (builtins, types, np, autograd_core)
        return not self.secretive or any(getattr(module, kind.__name__, None) is kind for module in known)

    def _raises(self, error: BaseException) -> bool:
        """Whether the student's own code raises it by a statement: an interruption from outside comes anywhere else."""
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        code = self._code()
        if at is None or code is None or at.tb_frame.f_code.co_filename != code.co_filename:
            return False
        return dis.opname[at.tb_frame.f_code.co_code[at.tb_lasti]] == "RAISE_VARARGS"

    def definition(self) -> str:
        """Where the formula begins, or ""."""
        code = self._code()
        return _line(code.co_filename, code.co_firstlineno) if code is not None else ""

    def _code(self) -> types.CodeType | None:
        """Of the function, of what a `functools.partial` calls, or of an object's `__call__`."""
        formula: Any = inspect.unwrap(self.formula)
        for function in (formula, getattr(formula, "func", None), type(formula).__call__):
            code = getattr(function, "__code__", None)
            if isinstance(code, types.CodeType) and not _is_inner(code.co_filename):
                return code
        return None

    def _raised(self, error: BaseException) -> Failure:
        code = self._code()
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_inner(f.filename)]
        own = [f for f in frames if code is not None and f.filename == code.co_filename]
        own = own or ([] if self.secretive else frames)
        line = _line(own[-1].filename, own[-1].lineno or 0) if own else self.definition()
        if isinstance(error, ValueError) and "read-only" in str(error):
            return Failure("writes", WRITES, line)
        if self.secretive:
            name = type(error).__name__ if self._may_name(type(error)) else "an exception of its own"
            return Failure(name, f"raises {name}", line)
        text = traceback.format_exception_only(error)[-1].strip()
        return Failure(type(error).__name__, f"raises {_short(text)}", line)


WRITES = "writes into an array that it is given; work on a copy"


class _Silenced(io.StringIO):
    """Takes what is printed, and notes the line that printed first."""

    line = ""

    def write(self, text: str) -> int:
        if not self.line:
            frame = sys._getframe(1)
            while frame.f_back is not None and _is_inner(frame.f_code.co_filename):
                frame = frame.f_back
            self.line = _line(frame.f_code.co_filename, frame.f_lineno)
        return len(text)


def _is_traced(value: Any) -> bool:
    """Whether it answers NumPy's protocols without being an array: no claim is judged on such a value."""
    return hasattr(value, "__array_ufunc__") and not isinstance(value, (np.ndarray, np.generic))


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        result = np.array(value)
        result.flags.writeable = False
        return result
    try:
        return copy.deepcopy(value)
    except Exception:  # a parameter that cannot be copied is the teacher's choice
        return value


def _same(original: Any, used: Any) -> bool:
    if isinstance(original, np.ndarray) and original.dtype.kind == "f":
        return used.shape == original.shape and bool(np.array_equal(original, used, equal_nan=True))
    return True


def _line(filename: str, number: int) -> str:
    code = linecache.getline(filename, number).strip()
    return f"{os.path.basename(filename)}:{number}" + (f": {_short(code)}" if code else "")


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= LONGEST else f"{one[: LONGEST - 1]}…"
