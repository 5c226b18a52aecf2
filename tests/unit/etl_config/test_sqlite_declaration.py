import sqlite3
from contextlib import closing

import pytest

from services.etl.tables.dialects._sqlite_declaration import Declaration, DeclarationUnknown, mentions

STRANGE = """CREATE TABLE "a ""b" (id INTEGER CONSTRAINT pk PRIMARY KEY AUTOINCREMENT, -- c, d
  [x y] varchar ( 10 ) NOT NULL DEFAULT 'it''s, (' COLLATE NOCASE UNIQUE ON CONFLICT REPLACE,
  c REFERENCES o(x) ON DELETE SET NULL ON UPDATE SET DEFAULT NOT DEFERRABLE CHECK (c > (1)),
  d DEFAULT NULL NULL, e INT GENERATED ALWAYS AS (c + 1) STORED, f DEFAULT (1+(2)) not null,
  `g``h` default -1 /* , */ unique,
  CONSTRAINT u UNIQUE ("x y", id) CHECK (id>0 or c||d >= 'x')
  FOREIGN KEY (c) REFERENCES z(c) ON DELETE SET NULL)"""


def kinds(declaration: Declaration) -> dict[str, list[str]]:
    return {column.name: [one.kind for one in column.constraints] for column in declaration.columns}


def test_a_declaration_is_read_in_its_parts() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(STRANGE)

    found = Declaration.parse(STRANGE)

    assert kinds(found) == {
        "id": ["PRIMARY"],
        "x y": ["NOT", "DEFAULT", "COLLATE", "UNIQUE"],
        "c": ["REFERENCES", "CHECK"],
        "d": ["DEFAULT", "NULL"],
        "e": ["GENERATED"],
        "f": ["DEFAULT", "NOT"],
        "g`h": ["DEFAULT", "UNIQUE"],
    }
    assert [column.type for column in found.columns] == ["INTEGER", "varchar ( 10 )", "", "", "INT", "", ""]
    assert [str(one) for one in found.constraints] == [
        'CONSTRAINT u UNIQUE ("x y", id)',
        "CHECK (id>0 or c||d >= 'x')",
        "FOREIGN KEY (c) REFERENCES z(c) ON DELETE SET NULL",
    ]
    assert list(found.uniques()) == [(None, ("x y",)), (None, ("g`h",)), ("u", ("x y", "id"))]
    assert found.numbers_rows


def test_options_come_after_the_columns() -> None:
    found = Declaration.parse("CREATE TABLE t (a TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")

    assert found.options == "STRICT, WITHOUT ROWID"
    assert not found.numbers_rows


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "CREATE VIEW v AS SELECT (1)",
        "CREATE TABLE t",
        "CREATE TABLE t (a",
        "CREATE TABLE t ()",
        "CREATE TABLE t (a,, b)",
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "CREATE TABLE t (1 TEXT)",
        "CREATE TABLE t (a, CHECK)",
    ],
)
def test_what_is_no_declaration_is_refused_or_has_no_columns_in_it(sql: str) -> None:
    try:
        found = Declaration.parse(sql)
    except DeclarationUnknown:
        return
    assert [column.name for column in found.columns] == ["a"]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("CREATE INDEX i ON t (a)", True),
        ('CREATE INDEX i ON t ("A")', True),
        ("CREATE INDEX i ON t ([a])", True),
        ("CREATE INDEX i ON t (ab)", False),
        ("CREATE INDEX i ON t (b) WHERE b = 'a'", False),
        ("CREATE INDEX i ON t (b) -- a", False),
    ],
)
def test_a_name_is_found_however_it_is_quoted(sql: str, found: bool) -> None:
    assert mentions(sql, "a") is found
