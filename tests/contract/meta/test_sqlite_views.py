"""What counts as an expansion in the texts of views."""

import pytest

from services.meta.scanners._sqlite_views import Expansions

CHAIN = {f"v{n}": f"CREATE VIEW v{n} AS SELECT 1 FROM v{n - 1} x, v{n - 1} y" for n in range(1, 40)}
DEFINED = ", ".join(f"w{n} AS (SELECT * FROM w{n - 1})" for n in range(1, 40))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a", "CREATE VIEW a AS SELECT * FROM MAIN . v39"),
        ("a", "CREATE VIEW a AS SELECT 1 WHERE 1 IN 'V39'"),
        ("a", "CREATE VIEW a AS SELECT * FROM (t JOIN /* ) */ `v39`)"),
        ("a", "CREATE VIEW a AS SELECT * FROM v39, (WITH v39 AS (SELECT 1) SELECT 1)"),
        ("v0", "CREATE VIEW v0 AS SELECT 1, 'v1'"),
        (
            "a",
            "CREATE VIEW a AS "
            + "WITH a AS (" * 30
            + "SELECT 1"
            + ") SELECT * FROM a x, a y" * 30,
        ),
        ("a", "CREATE VIEW a AS SELECT " + "1 + " * 500_000 + "1"),
    ],
)  # fmt: skip
def test_what_is_too_much_is_seen_in_every_spelling(name: str, text: str) -> None:
    assert Expansions({**CHAIN, name: text}).are_too_many(name)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE VIEW a AS SELECT b AS v39, t.v39 AS a FROM t",
        "CREATE VIEW a AS SELECT * FROM v5 -- FROM v39",
        f"CREATE VIEW a AS WITH w0 AS (SELECT 1), {DEFINED} SELECT * FROM w39",
        "CREATE VIEW a AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
    ],
)
def test_what_is_usual_is_not_too_much(text: str) -> None:
    assert not Expansions({**CHAIN, "a": text}).are_too_many("a")
