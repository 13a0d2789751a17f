"""Judge hand-derived gradients line by line: `compare`, `tag`, `Report`.

The pieces, one idea per file:

- `tagging`   names intermediates in a forward function, perturbs and cuts them
- `problem`   checks what the user passed and runs the forward function
- `claims`    reads a claim's signature, calls it, checks what it returns
- `oracle`    the engine's own gradients of every input and tag
- `confirm`   confirms these by complex step or central differences
- `rounding`  measures an error against a rounding bound
- `sweep`     fits the order of an error in a swept parameter
- `hints`     looks for the repair that explains a wrong claim
- `judge`     brings them together into verdicts
- `report`, `page`   what the user sees

This file stays light: everything but `tag` is imported at the first comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autograd_core.compare.tagging import tag

if TYPE_CHECKING:
    from autograd_core.compare.report import Line, Report

__all__ = ["Line", "Report", "compare", "tag"]


def compare(
    f: Callable[..., Any],
    inputs: Mapping[str, Any],
    claimed: Mapping[str, Callable[..., Any]],
    *,
    params: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Sequence[float]] | None = None,
    seed: int = 0,
) -> Report:
    """Judge claimed gradients of `f` against the engine's own.

    With y = f(inputs) and random upstream gradients g of y's shape, the true gradient of an input
    or of a tagged intermediate x is the vector-Jacobian product sum_i g_i dy_i/dx. Every element of
    a claim is compared with it, for several independent g. The engine's gradient is itself
    confirmed in the same report by complex step or by central differences.

    Args:
        f: Forward function, called with the inputs and the parameters by keyword name. The inputs
            arrive as float64 Tensors (as arrays while the oracle is being confirmed). It returns
            one array of any shape. `tag(t, "mu")` inside it names an intermediate.
        inputs: The float64 arrays at which to judge, by name.
        claimed: For the name of an input or tag, a function whose parameter names say what it
            needs: `g` (the upstream gradient), inputs, parameters, tagged values by name, and
            `g_<tag>`, the true gradient of a tag nearer to the output. A claim with neither
            `g` nor a `g_<tag>` is a Jacobian, of shape output + input.
        params: What else `f` and the claims need, such as `{"eps": 1e-5}`; not differentiated.
        sweep: One parameter and at least two positive values of it. A claim is then judged at each
            value, and may be found "approximate".
        seed: Seed of the upstream gradients; the user's random state is left as it was.

    Returns:
        A `Report`: for each claim a `Line` with

        - "exact": equal at every element to within a rounding bound, which follows the
          conditioning found at these inputs;
        - "approximate": only with `sweep`; the error fades with the parameter, with fitted `order`;
        - "wrong": with `hint`, the repair that makes the claim exact, if one was found;
        - "undecided": nothing can be concluded; `reason` says why (structurally zero gradient,
          a kink, cancellation, an oracle that could not be confirmed).

    Raises:
        ArgumentError: Names that are unknown, missing or used twice; non-finite inputs.
        DTypeError: Inputs that are not float64; results that are not real numbers.
        ShapeError: A claim of another shape that no missing sum and no transpose explains.
    """
    from autograd_core.compare.judge import judge

    return judge(f, inputs, claimed, params=params, sweep=sweep, seed=seed)


def __getattr__(name: str) -> Any:
    if name in ("Report", "Line"):
        from autograd_core.compare import report

        return getattr(report, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
