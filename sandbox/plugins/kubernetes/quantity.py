"""Kubernetes quantities in the one form in which the API server writes them.

The rule is apimachinery's `resource.Quantity`: the suffix family is kept, the number is a whole one with the largest
suffix that loses nothing.
"""

import re
from decimal import Decimal

from sandbox.plugins.properties import Json

_QUANTITY = re.compile(r"^([+-]?[0-9]*\.?[0-9]*)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+|)$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


def canonical(value: Json) -> Json:
    """`1000m` is `1`, `0.5` is `500m`, `1024Mi` is `1Gi`; a number becomes its string; no quantity stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    found = _QUANTITY.match(str(value))
    if not found or not any(each.isdigit() for each in found[1]):
        return value
    number, suffix = Decimal(found[1]), found[2]
    if suffix in _BINARY[1:]:
        amount = number * 1024 ** _BINARY.index(suffix)
        if abs(amount) >= 1024 and amount == int(amount):
            return _binary(int(amount))
        return _decimal(amount)
    if suffix[:1] in {"e", "E"} and suffix[1:]:
        amount = number.scaleb(int(suffix[1:]))
        return _exponent(amount)
    return _decimal(number.scaleb(_DECIMAL[suffix]))


def _binary(amount: int) -> str:
    power = 0
    while power < len(_BINARY) - 1 and amount and amount % 1024 == 0:
        amount, power = amount // 1024, power + 1
    return f"{amount}{_BINARY[power]}"


def _decimal(amount: Decimal) -> str:
    for suffix, power in sorted(_DECIMAL.items(), key=lambda each: -each[1]):
        scaled = amount.scaleb(-power)
        if scaled == scaled.to_integral_value() and (scaled or not suffix):
            return f"{int(scaled)}{suffix}"
    return f"{int(amount.scaleb(9).to_integral_value(rounding='ROUND_UP'))}n"  # finer than the API can hold


def _exponent(amount: Decimal) -> str:
    for power in range(18, -12, -3):
        scaled = amount.scaleb(-power)
        if scaled == scaled.to_integral_value() and scaled:
            return f"{int(scaled)}e{power}" if power else str(int(scaled))
    return "0"
