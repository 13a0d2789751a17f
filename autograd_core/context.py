"""Grad mode, anomaly mode, module scope and active trace: one immutable record in one context variable.

Threads and async tasks each see their own record, and an operation asks for it once.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any, ClassVar

__all__ = ["Scope", "State", "anomaly_mode", "enable_grad", "is_grad_enabled", "keep_values", "no_grad"]


class Scope(str):
    """The dotted path of a module that is running, with what a picture says about the module.

    It is a string, so that a Node holds it as it would hold the path alone; it is made once per module and caller's
    state, not per call.

    Attributes:
        kind: name of the module's class.
        outer: the scope that the module was called in; "" outside any.
        owner: `id` of the module: tells modules of one path apart, as in two networks that each have a "0".
    """

    __slots__ = ("kind", "outer", "owner")

    kind: str
    outer: str
    owner: int

    @classmethod
    def within(cls, outer: str, name: str, module: object) -> Scope:
        """The scope of a module of this name that is called within `outer`."""
        scope = cls(f"{outer}.{name}" if outer else name)
        scope.kind = type(module).__name__
        scope.outer = outer
        scope.owner = id(module)
        return scope


class State:
    """What an operation must know about its surroundings.

    Attributes:
        record: operations on tensors that need a gradient are recorded.
        anomaly: every value and every gradient is checked for NaN and infinity.
        keep: values and source lines are kept for drawing.
        watch: `anomaly or keep`; the hot path tests only this.
        scope: dotted path of the nn module that is running, a `Scope`; "" outside any.
        replaying: a checkpoint is recomputing its forward pass; running statistics must not move twice.
        trace: the `compiler.trace.Trace` that records NumPy's calls, None outside of one.
    """

    __slots__ = ("_without", "anomaly", "keep", "record", "replaying", "scope", "trace", "watch")

    def __init__(
        self,
        record: bool = True,
        anomaly: bool = False,
        keep: bool = False,
        scope: str = "",
        replaying: bool = False,
        trace: Any = None,
    ) -> None:
        self.record = record
        self.anomaly = anomaly
        self.keep = keep
        self.watch = anomaly or keep
        self.scope = scope
        self.replaying = replaying
        self.trace = trace
        self._without: State | None = None

    def but(self, **changes: Any) -> State:
        """The same state with some fields changed."""
        fields = {
            "record": self.record,
            "anomaly": self.anomaly,
            "keep": self.keep,
            "scope": self.scope,
            "replaying": self.replaying,
            "trace": self.trace,
        }
        return State(**{**fields, **changes})

    def unrecorded(self) -> State:
        """The same without recording: what a backward pass runs in. Made once, since a pass may be short."""
        without = self._without
        if without is None:
            without = self._without = self.but(record=False)
        return without


STATE: ContextVar[State] = ContextVar("autograd_core_state", default=State())  # noqa: B039 - immutable
current = STATE.get


class _Switch:
    """A context manager, and decorator, that changes fields of the state inside its block."""

    _changes: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self._tokens: list[Token[State]] = []

    def __enter__(self) -> None:
        self._tokens.append(STATE.set(current().but(**self._changes)))

    def __exit__(self, *exc: object) -> None:
        STATE.reset(self._tokens.pop())

    def __call__(self, function: Any) -> Any:
        from functools import wraps

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


class no_grad(_Switch):
    """Operations inside the block are not recorded."""

    _changes: ClassVar[dict[str, Any]] = {"record": False}


class enable_grad(_Switch):
    """Operations inside the block are recorded, also within `no_grad`."""

    _changes: ClassVar[dict[str, Any]] = {"record": True}


class anomaly_mode(_Switch):
    """A NaN or infinity raises `NonFiniteError` with the operation and the line that made it.

    Forward values are checked as they are computed, gradients as they are propagated. It costs a pass over every array.
    """

    _changes: ClassVar[dict[str, Any]] = {"anomaly": True}


class keep_values(_Switch):
    """Values and source lines of the operations inside the block are kept for drawing.

    Kept are copies: of what each operation returns, and of the constants that it reads, which the tape else forgets.
    """

    _changes: ClassVar[dict[str, Any]] = {"keep": True}


class replaying(_Switch):
    """A checkpoint's recomputation: recorded, but without side effects on running statistics."""

    _changes: ClassVar[dict[str, Any]] = {"record": True, "replaying": True}


def outside(name: str, why: str) -> None:
    """Refuses what a compiled function cannot do.

    Raises:
        TraceError: a function is being recorded.
    """
    if current().trace is not None:
        from .errors import TraceError, where

        raise TraceError(
            f"{name}: it must be called outside of a compiled function, got a call inside, where {why} would stay as "
            f"at the first call; move it after the call. {where(name)}"
        )


def is_grad_enabled() -> bool:
    """Whether operations are recorded here and now."""
    return current().record
