"""Judge hand-derived gradients line by line: `compare`, `tag`, `Report`, `assert_gradients`, `grade`.

The pieces, one idea per file:

- `tagging`   names intermediates in a forward function, perturbs and cuts them
- `problem`   checks what the user passed and runs the forward function
- `claims`    reads a claim's signature, calls it, checks what it returns
- `oracle`    the engine's own gradients of every input and tag
- `confirm`   confirms these by complex step or central differences
- `rounding`  measures an error against a rounding bound
- `blindspots` says where an exact claim holds only because an input is 0, 1 or -1
- `saturation` says where a gradient is below the rounding of its own terms
- `sweep`     fits the order of an error in a swept parameter
- `diagnosis` looks for the repair that explains a wrong claim
- `judge`     brings them together into verdicts
- `report`, `page`, `pictures`, `output`   what the user sees
- `assertion` the judge as a line of a test
- `grading`   marks of a student's claims (`marks`) at hidden points (`trials`), run so that they
  stop nothing (`student`), with the smallest `counterexamples`

This file stays light: everything but `tag` is imported at the first comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autograd_core.compare.tagging import tag

if TYPE_CHECKING:
    from autograd_core.compare.marks import Grade, Mark
    from autograd_core.compare.report import Line, Report

__all__ = ["Grade", "Line", "Mark", "Report", "assert_gradients", "compare", "grade", "tag"]


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


def assert_gradients(
    f: Callable[..., Any],
    inputs: Mapping[str, Any],
    claimed: Mapping[str, Callable[..., Any]],
    *,
    params: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Sequence[float]] | None = None,
    seed: int = 0,
    allow: Collection[str] = ("exact",),
) -> Report:
    """`compare`, as one line of a test: raises unless every verdict is allowed.

    A claim about which nothing can be concluded ("undecided") is refused too: a test that passes
    whatever the formula says tests nothing.

    Example:
        >>> import numpy as np
        >>> from autograd_core import assert_gradients
        >>> def test_of_the_square():
        ...     x = np.array([1.0, 2.0, 3.0])
        ...     assert_gradients(lambda x: x**2, {"x": x}, {"x": lambda g, x: 2 * x * g})
        >>> test_of_the_square()

    Args:
        f: Forward function, as for `compare`.
        inputs: Float64 arrays by name, as for `compare`.
        claimed: Claims by name, as for `compare`.
        params: Further arguments, as for `compare`.
        sweep: A parameter and its values, as for `compare`.
        seed: Of the upstream gradients, as for `compare`.
        allow: The verdicts that pass, out of "exact", "approximate" and "undecided".

    Returns:
        The report, if it passed.

    Raises:
        AssertionError: A verdict is not allowed. The message begins with the first wrong line, its
            hint and its worst element; the table follows.
        ArgumentError: `allow` is empty or contains anything else; and as for `compare`.
        DTypeError: As for `compare`.
        ShapeError: As for `compare`.
    """
    __tracebackhide__ = True
    from autograd_core.compare.assertion import assert_report

    return assert_report(f, inputs, claimed, params=params, sweep=sweep, seed=seed, allow=allow)


def grade(
    f: Callable[..., Any],
    make_inputs: Callable[..., Mapping[str, Any]],
    claimed: Mapping[str, Callable[..., Any]],
    *,
    sizes: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | Callable[..., Mapping[str, Any]] | None = None,
    seed: int | str,
    student: str = "",
    points: Mapping[str, float] | None = None,
    rounds: int = 8,
    examples: int = 2,
    hints: bool = False,
) -> Grade:
    """Mark a student's gradients at hidden shapes and inputs; show where they fail, not the solution.

    Each claim is judged by `compare` in several trials of its own. Their sizes are unlike each other and
    mostly prime, and each size is at its smallest once, so that a formula for square arrays or for one
    batch size does not pass. A claim earns its points if no trial finds it wrong and at least two
    find it exact. Where it fails, counterexamples are shrunk to the smallest sizes, and to small
    integers, that still show the error.

    Example:
        >>> import numpy as np
        >>> from autograd_core import grade
        >>> def f(X, w):
        ...     return X @ w
        >>> def make_inputs(rng, n, k):
        ...     return {"X": rng.normal(size=(n, k)), "w": rng.normal(size=k)}
        >>> handed_in = {"X": lambda g, w: np.outer(g, w), "w": lambda g, X: X.T @ g / len(g)}  # not a mean
        >>> result = grade(f, make_inputs, handed_in, sizes={"n": (1, 7), "k": (1, 5)}, seed="secret")
        >>> result.points, result.possible, result["w"].verdict
        (1.0, 2.0, 'wrong')

    Args:
        f: The teacher's forward function, as for `compare`, with tags where lines are marked.
        make_inputs: Called as `make_inputs(rng, **sizes)` with a NumPy Generator; returns the
            inputs, float64 arrays by name.
        claimed: The student's functions by name, as for `compare`.
        sizes: Smallest and largest value of each size, as in `{"n": (1, 8), "k": (2, 32)}`.
        params: Further arguments of `f`, by name; or a function like `make_inputs` that gives them.
        seed: The teacher's secret: an integer or a text. Trials follow from it and `student`.
        student: Name on the grade; students with other names get other trials.
        points: For each claim asked for; one that is not handed in is "missing". One point for
            each claim handed in by default.
        rounds: Trials of each claim (a few more if there are many sizes).
        examples: Counterexamples of each claim that fails, at most.
        hints: Whether the reports contain what `compare` says of the cause, and why a trial was undecided;
            this may give away the solution.

    Returns:
        A `Grade`: `points` of `possible`, `open` (points on which nothing could be concluded, left to the
        teacher), and by name a `Mark` with verdict, points, remarks and counterexamples. It prints, shows
        in a notebook, and saves as HTML, JSON or text.

    What a claim does wrong (raising, printing, writing into its arguments, returning another type or
    shape, drawing random numbers, computing on the engine) is said in its remarks with the
    student's own line; printing costs nothing, the others are failures. The claim gets read-only copies of plain
    arrays. A claim that is given a `g_<tag>`, a true gradient, could hand it on: of such a claim the reports show
    neither the answer's numbers nor the text of an exception, only type, line and shape. A Ctrl-C ends the grading;
    a `raise KeyboardInterrupt` written in a claim is a failure like any other. The claim runs in this process
    without a time limit: an endless loop is not ended, and this is no sandbox against hostile code.

    Raises:
        ArgumentError: Sizes, points or counts outside their domain; names unknown to `f`.
        DTypeError: An argument of another type than described.
        Exception: Whatever `f`, `make_inputs` and `params` raise, with the sizes as a note.
    """
    from autograd_core.compare.grading import grade_claims

    return grade_claims(
        f,
        make_inputs,
        claimed,
        sizes=sizes,
        params=params,
        seed=seed,
        student=student,
        points=points,
        rounds=rounds,
        examples=examples,
        hints=hints,
    )


def __getattr__(name: str) -> Any:
    if name in ("Report", "Line", "Grade", "Mark"):
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{'report' if name in ('Report', 'Line') else 'marks'}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
