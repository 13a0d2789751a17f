"""Rules that only multiply and divide, read by running them on symbols."""

from __future__ import annotations

from typing import Any

from .unbroadcast import Product

__all__ = ["GENERAL", "ONE_KEPT", "ONLY_G", "TWO_KEPT", "Unknown", "monomial"]

# How a rule's arguments after `g` are fetched in the backward pass (`Slot[2]`).
ONLY_G, ONE_KEPT, TWO_KEPT, GENERAL = range(4)


def monomial(rule: Any, mode: int, sources: Any) -> tuple[tuple[int, ...], tuple[int, ...], float] | None:
    """Reads a rule such as `-g * out / b` as factors, divisors and a scale, by running it on symbols."""
    if mode == GENERAL:
        return None
    places = () if mode == ONLY_G else (sources,) if mode == ONE_KEPT else tuple(sources)
    symbols = [Unknown() for _ in places]
    g = Unknown()
    try:
        product = rule(Product((g,)), *symbols)
    except Exception:  # a symbol can do nothing but be multiplied with
        return None
    if not isinstance(product, Product) or product.factors[0] is not g:
        return None
    place = {id(symbol): where for symbol, where in zip(symbols, places, strict=True)}
    if any(id(s) not in place for s in (*product.factors[1:], *product.divisors)):
        return None
    factors, divisors = (tuple(place[id(s)] for s in part) for part in (product.factors[1:], product.divisors))
    return factors, divisors, product.scale


class Unknown:
    """A symbol: an operand in a product. It can be multiplied with and nothing else: even `a == 0` has no answer."""

    def _refuse(self, *args: Any) -> Any:
        raise TypeError("a symbol has no value")

    __eq__ = __ne__ = __bool__ = __array__ = _refuse
    __hash__ = object.__hash__
