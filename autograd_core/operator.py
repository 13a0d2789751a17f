r"""The declaration of an operator, and the registry that everything else reads.

An operator is one block in one file of `autograd_core/ops/`::

    @op("elementwise", numpy=np.tanh, latex=r"\tanh {a}", derivative={"a": r"1 - {out}^2"}, samples=unary(-2, 2)) def
    tanh(a):
        '''Hyperbolic tangent, tanh(a).'''
        return np.tanh(a)

    tanh.vjp(a=lambda g, out: g * (1 - out * out))

A rule's parameters name what it needs, and so what the tape keeps: `g` (the cotangent of the output), `out`, an operand
by its name, `<operand>_shape`, or a static argument by its name. A rule is a NumPy expression in these. It may return
an array that is smaller than the operand: it stands for its broadcast. For elementwise operators the engine sums over
broadcast axes (`unbroadcast.py`); a rule never does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .errors import ArgumentError, NoRuleError, where
from .monomials import GENERAL, monomial
from .rules import answering, check_free, computing, rule_parameters

__all__ = ["KINDS", "Array", "Bad", "Operator", "Plan", "Sample", "op", "opaque", "registry"]

_OWN = "autograd_core."
KINDS = ("elementwise", "reduction", "view", "contraction", "gather", "scatter", "composite")


class Array:
    """A random array in a sample: its shape and the interval of its values (0-d by default)."""

    def __init__(self, *shape: int, low: float = -2.0, high: float = 2.0, dtype: str = "float") -> None:
        self.shape, self.low, self.high, self.dtype = shape, low, high, dtype


class Sample:
    """Arguments that an operator's generated tests call it with; an `Array` stands for random values."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


class Bad:
    """Arguments that must raise `error` with a message that matches `match`."""

    def __init__(self, error: type[Exception], match: str, *args: Any, **kwargs: Any) -> None:
        self.error, self.match, self.args, self.kwargs = error, match, args, kwargs


class Registry:
    """All operators by name, and what NumPy's protocols dispatch to."""

    def __init__(self) -> None:
        self.operators: dict[str, Operator] = {}
        self.ufuncs: dict[Any, Any] = {}
        self.ufunc_compositions: dict[Any, Any] = {}  # ufuncs that mean a composition of operators
        self.special: dict[str, Any] = {}  # SciPy's ufuncs by name, so that SciPy is not imported
        self.functions: dict[Any, Any] = {}

    def function(self, *numpy: Any) -> Callable[[Any], Any]:
        """Registers a composition of operators as the meaning of NumPy functions on Tensors."""

        def register(implementation: Any) -> Any:
            for target in numpy:
                self.functions[target] = implementation
            return implementation

        return register


registry = Registry()


class Plan:
    """An operator's rules for one choice of operands that need a gradient, laid out for the two passes.

    Attributes:
        op: the operator.
        mask: bit i is set if operand i needs a gradient.
        keep: what the tape keeps, as indices of operands; -1 is the output.
        code: for operators of one or two operands, `keep` as bits (1: first, 2: second, 4: output).
        guard: the operands whose version is checked before the rules run; `guard_out` the same for the output.
        slots: (operand index, rule, how its arguments are fetched, sources) for each operand that needs a gradient.
        joint: a rule that answers for all operands at once, with its sources; else None.
        elementwise: the engine sums the rules' results over broadcast axes.
        missing: the operands in `mask` that have no rule.
        monomials: by operand index, the rules that only multiply and divide: kept factors, kept divisors, scale.
    """

    __slots__ = (
        "code",
        "elementwise",
        "guard",
        "guard_out",
        "joint",
        "keep",
        "mask",
        "missing",
        "monomials",
        "op",
        "slots",
    )

    def __init__(self, op: Operator, mask: int, count: int, numbers: int) -> None:
        self.op = op
        self.mask = mask
        self.elementwise = op.kind == "elementwise"
        names = op.parameters if op.variadic is None else tuple(f"{op.variadic}[{i}]" for i in range(count))
        wanted = [i for i in range(count) if mask >> i & 1 and (op.joint or names[i] in op.rules)]
        rules = [op.joint] if op.joint else [op.rules[names[i]] for i in wanted]
        used = {name for rule in rules for name in rule_parameters(rule)[1:]}
        keep = [i for i in range(count) if names[i] in used or (op.variadic and op.variadic in used)]
        keep += [-1] if "out" in used else []
        self.keep = tuple(keep)
        self.code = sum(4 if i < 0 else 1 << i for i in keep) if count <= 2 else -1
        self.guard = tuple(i for i in keep if i >= 0 and not numbers >> i & 1)
        self.guard_out = "out" in used
        position = {(names[i] if i >= 0 else "out"): j for j, i in enumerate(keep)}
        self.joint = (op.joint, self._sources(op.joint, names, position)) if op.joint else None
        self.slots = tuple((i, *self._fetch(op.rules[names[i]], names, position, i)) for i in wanted if not op.joint)
        self.missing = tuple(names[i] for i in range(count) if mask >> i & 1 and i not in wanted)
        self.monomials = {i: monomial(rule, mode, sources) for i, rule, mode, sources in self.slots if self.elementwise}

    def _fetch(self, rule: Any, names: Sequence[str], position: dict[str, int], index: int) -> tuple[Any, int, Any]:
        sources = self._sources(rule, names, position)
        if not self.op.__module__.startswith(_OWN):
            return answering(self.op, rule, names[index]), GENERAL, (*sources, ("shape", index), ("out_shape", None))
        kept = [s for kind, s in sources if kind == "kept"]
        if len(kept) < len(sources) or len(kept) > 2:
            return rule, GENERAL, sources
        return rule, len(kept), (kept[0] if len(kept) == 1 else tuple(kept))

    def _sources(self, rule: Any, names: Sequence[str], position: dict[str, int]) -> tuple[tuple[str, Any], ...]:
        sources: list[tuple[str, Any]] = []
        for name in rule_parameters(rule)[1:]:
            if name in position:
                sources.append(("kept", position[name]))
            elif self.op.variadic and name == self.op.variadic:
                sources.append(("all", None))
            elif self.op.variadic and name == f"{self.op.variadic}_shapes":
                sources.append(("shapes", None))
            elif name.endswith("_shape") and name[:-6] in names:
                sources.append(("shape", names.index(name[:-6])))
            elif name == "out_shape":
                sources.append(("out_shape", None))
            elif name in self.op.statics:
                sources.append(("static", name))
            else:
                raise ArgumentError(
                    f"{self.op.name}: a rule's parameters must be g, out, an operand, <operand>_shape or a static "
                    f"argument; got {name!r}; the operator has {names} and {tuple(self.op.statics)}"
                )
        return tuple(sources)


class Operator:
    """A differentiable function of arrays; made by `op`, called like the function that it was made from."""

    def __init__(self, function: Any, kind: str, **options: Any) -> None:
        code = function.__code__
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        defaults = dict(
            zip(reversed(code.co_varnames[: code.co_argcount]), reversed(function.__defaults__ or ()), strict=False)
        )
        defaults |= function.__kwdefaults__ or {}
        self.name: str = options["name"] or function.__name__
        self.__name__ = self.name
        self.__doc__ = function.__doc__
        self.__module__ = getattr(function, "__module__", None) or ""
        self.kind = kind
        self.function = function if self.__module__.startswith(_OWN) else computing(self, function)
        self.variadic: str | None = options["variadic"]
        self.parameters: tuple[str, ...] = options["operands"] or tuple(
            a for a in arguments if a not in defaults and a != self.variadic
        )
        self.positional = code.co_varnames[: code.co_argcount]
        self.defaults = defaults
        self.statics = tuple(a for a in arguments if a not in self.parameters and a != self.variadic)
        self.symbol: str = options["symbol"] or self.name
        self.latex: str = options["latex"]
        self.derivative: dict[str, str] = options["derivative"] or {}
        self.samples: list[Sample] = list(options["samples"])
        self.bad: list[Bad] = list(options["bad"])
        self.linear: str | None = options["linear"]
        self.analytic: bool = options["analytic"]
        self.multiple: bool = options["multiple"]
        self.differentiable: bool = options["differentiable"]
        self.symmetric: bool = options.get("symmetric", False)
        self.pure: bool = options.get("pure", True)  # False: runs a user function, once
        self.aliases: bool = kind in ("view", "gather") or options.get("aliases", False)
        self.numpy: tuple[Any, ...] = options["numpy"]
        self.special: str | None = options["special"]
        self.rules: dict[str, Any] = {}
        self.joint: Any = None
        self.wider: Any = None  # a composition that answers for further arguments of NumPy's, `where` and `initial`
        self._fast: Any = None
        self._plans: dict[tuple[int, int, int], Plan] = {}
        self.binary_plans: tuple[Any, ...] = ()  # filled at first use: by mask, then with a number right or left

    def vjp(self, joint: Any = None, /, **rules: Any) -> Operator:
        """Declares the gradient: a rule per operand by name, or one rule that returns them all.

        Raises:
            ArgumentError: a name is not an operand's, or a rule's first parameter is not `g`.
        """
        for name, rule in ({"": joint} if joint else rules).items():
            if name and name not in self.parameters:
                raise ArgumentError(f"{self.name}: {name!r} is not an operand; it has {self.parameters}")
            if rule_parameters(rule)[:1] != ("g",):
                raise ArgumentError(f"{self.name}: a rule's first parameter must be g, got {rule_parameters(rule)}")
        self.joint = joint
        self.rules.update(rules)
        self._plans.clear()
        self.binary_plans = ()
        self._fast = None
        count = max(len(self.parameters), 1)
        Plan(self, (1 << count) - 1, count, 0)  # checks the names now, not at the first backward
        return self

    def plan(self, mask: int, count: int | None = None, numbers: int = 0) -> Plan:
        """The rules' layout for the operands in `mask`; `numbers` marks operands that are Python numbers."""
        key = (mask, len(self.parameters) if count is None and not self.variadic else count or 1, numbers)
        plan = self._plans.get(key)
        if plan is None:
            plan = Plan(self, mask, key[1], numbers)
            if plan.missing and self.differentiable:
                raise NoRuleError(
                    f"{self.name}: an operand that needs a gradient must have a rule, got none for "
                    f"{', '.join(map(repr, plan.missing))}, whose gradient would be lost; declare it with "
                    f"{self.name}.vjp, or use .detach() or differentiable=False if it has none. {where(self.name)}"
                )
            self._plans[key] = plan
        return plan

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies it, with the arguments of the function that it was made from."""
        fast = self._fast
        if fast is None:
            fast = self._fast = self._quickest()
        return fast(*args, **kwargs)

    def _quickest(self) -> Any:
        """The leanest way to call this operator; `engine.apply` serves all."""
        from .engine import apply
        from .hot import binary, on_array, single, unary
        from .tensor import Tensor

        simple = not self.variadic and not self.multiple
        if not simple or len(self.parameters) > 2 or (len(self.parameters) == 2 and self.statics):
            return lambda *args, **kwargs: apply(self, args, kwargs)
        if len(self.parameters) == 2:
            forward, reflected = binary(self, self.function), binary(self, self.function, reflected=True)

            def call(*args: Any, **kwargs: Any) -> Any:
                if len(args) != 2 or kwargs:
                    return apply(self, args, kwargs)
                a, b = args
                if isinstance(a, Tensor):
                    out = forward(a, b)
                else:
                    out = reflected(b, a) if isinstance(b, Tensor) else NotImplemented
                return apply(self, args, kwargs) if out is NotImplemented else out

            return call
        method = single(self) if self.statics or self.kind == "view" else unary(self)
        first = self.parameters[0] == (self.positional[0] if self.positional else None)

        def call_one(*args: Any, **kwargs: Any) -> Any:
            if first and args and isinstance(args[0], Tensor) and (self.statics or not kwargs):
                return method(*args, **kwargs)
            out = on_array(self, *args, **kwargs) if first and len(args) == 1 else NotImplemented
            return apply(self, args, kwargs) if out is NotImplemented else out

        return call_one

    def __repr__(self) -> str:
        return f"<operator {self.name}: {self.kind}>"


def opaque(function: Any, name: str, *, multiple: bool = False) -> Operator:
    """An operator outside the registry for calls of a user's function on `operands`; not run again for a picture."""
    return Operator(
        function,
        "composite",
        name=name,
        variadic="operands",
        operands=None,
        symbol=name,
        latex="",
        derivative=None,
        samples=(),
        bad=(),
        linear=None,
        analytic=False,
        multiple=multiple,
        differentiable=True,
        numpy=(),
        special=None,
        pure=False,
    )


def op(
    kind: str,
    *,
    numpy: Any = (),
    special: str | None = None,
    name: str | None = None,
    symbol: str | None = None,
    latex: str = "",
    derivative: dict[str, str] | None = None,
    samples: Sequence[Sample] = (),
    bad: Sequence[Bad] = (),
    linear: str | None = None,
    analytic: bool = False,
    operands: tuple[str, ...] | None = None,
    variadic: str | None = None,
    multiple: bool = False,
    differentiable: bool = True,
    symmetric: bool = False,
    aliases: bool = False,
) -> Callable[[Any], Operator]:
    """Declares an operator. The decorated function computes it on arrays, with NumPy's own names of arguments.

    Args:
        kind: "elementwise", "reduction", "view", "contraction", "gather", "scatter" or "composite"; from it the engine
            takes un-broadcasting, forward mode and the sparsity pattern.
        numpy: the NumPy function(s) or ufunc(s) that mean this operator on Tensors.
        special: the name of a `scipy.special` ufunc that means it.
        name: the operator's name, the function's by default.
        symbol: short label for drawings.
        latex: formula with operands in braces.
        derivative: the local derivative as LaTeX, by operand.
        samples: inputs of the generated tests.
        bad: inputs with the errors that they must raise.
        linear: "jointly" (the operator itself maps tangents) or "each" (linear in every single operand).
        analytic: complex step may be used on it.
        operands: the differentiable parameters, by default those without a default value.
        variadic: the parameter that holds a sequence of operands.
        multiple: the function returns a tuple of outputs; `g` is then a dict of their cotangents by index, without
            those that nothing uses.
        differentiable: False for integer or boolean results, which are cut from the graph.
        aliases: the result may share the operand's memory; views and gathers are always asked.
        symmetric: the operand is taken as a symmetric matrix, and so is its gradient: right for symmetric changes.

    Raises:
        ArgumentError: the kind is unknown, or a NumPy function has an operator of this package already.
    """
    if kind not in KINDS:
        raise ArgumentError(f"op: kind must be one of {KINDS}, got {kind!r}; choose one. {where('op')}")
    if linear not in (None, "jointly", "each"):
        raise ArgumentError(
            f"op: linear must be 'jointly', 'each' or None, got {linear!r}; leave it out if in doubt. {where('op')}"
        )
    numpy = numpy if isinstance(numpy, tuple) else (numpy,)
    options = dict(
        numpy=numpy,
        special=special,
        name=name,
        symbol=symbol,
        latex=latex,
        derivative=derivative,
        samples=samples,
        bad=bad,
        linear=linear,
        analytic=analytic,
        operands=operands,
        variadic=variadic,
        multiple=multiple,
        differentiable=differentiable,
        symmetric=symmetric,
        aliases=aliases,
    )

    def declare(function: Any) -> Operator:
        operator = Operator(function, kind, **options)
        if not operator.__module__.startswith(_OWN):
            check_free(operator, (registry.ufuncs, registry.ufunc_compositions, registry.functions))
        if function.__module__.startswith(__package__ + ".ops"):
            if operator.name in registry.operators:  # the last one would win, wherever it stands
                raise ArgumentError(
                    f"op: an operator is declared once, got a second block for {operator.name!r} in "
                    f"{function.__module__}; remove one of them"
                )
            registry.operators[operator.name] = operator
        for target in numpy:
            (registry.ufuncs if hasattr(target, "nin") else registry.functions)[target] = operator
        if special:
            registry.special[special] = operator
        return operator

    return declare
