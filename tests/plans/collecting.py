"""Pairs from Hypothesis, as different from each other as can be."""

import os
from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings

from services.etl.tables.dialects import Dialect

from .pairs import Pair, pairs

ALIKE: Final = 6
"""Hypothesis makes some more of each example that differ in little; one of them is enough for a database."""

_INVENTED: Final = os.environ.get("PENSTOCK_TESTS_PAIRS")


def collected(dialect: Dialect, count: int, *, fit: Callable[[Pair], bool] | None = None) -> list[Pair]:
    """So many pairs that fit, always the same ones unless new ones are asked for.

    They aren't made smaller when one fails: that would take minutes on a database.
    """
    wanted = int(_INVENTED or count)
    found: list[Pair] = []

    @settings(
        max_examples=wanted * ALIKE * (2 if fit else 1),
        derandomize=_INVENTED is None,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(pairs(dialect))
    def collect(pair: Pair) -> None:
        if len(found) < wanted * ALIKE and (fit is None or fit(pair)):
            found.append(pair)

    collect()
    assert len(found) == wanted * ALIKE
    return found[ALIKE - 1 :: ALIKE]
