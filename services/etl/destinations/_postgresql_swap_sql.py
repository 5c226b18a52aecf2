"""The SQL by which a new table takes the place of one in PostgreSQL, and what stands against that.

A table is more than its rows: views, grants, triggers and much else hang on it by its OID, which a new table
doesn't have. So a table is swapped only when it has nothing that we don't give the new one; the reasons are
read from the catalog (manual, chapter 53, above all pg_depend).
"""

# ruff: noqa: S608  every name is quoted, every value is a parameter

from collections.abc import Mapping
from typing import Final

from shared.engines.postgresql import quote

_HANGING: Final[Mapping[str, str]] = {
    "another owner": (
        "c.relowner <> (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)"
    ),
    "a schema where this user may not make tables": (
        "NOT pg_catalog.has_schema_privilege(c.relnamespace, 'CREATE')"
    ),
    "storage of its own": (
        "c.relpersistence <> 'p' OR c.reltablespace <> 0 OR c.reloptions IS NOT NULL"
        " OR pg_catalog.current_setting('default_tablespace') <> ''"
        " OR pg_catalog.current_setting('default_table_access_method')"
        " <> (SELECT m.amname FROM pg_catalog.pg_am AS m WHERE m.oid = c.relam)"
        " OR EXISTS (SELECT FROM pg_catalog.pg_class AS o"
        " WHERE o.oid = c.reltoastrelid AND o.reloptions IS NOT NULL)"
    ),
    "partitions, parents or children": (
        "c.relispartition OR c.relhassubclass OR c.reloftype <> 0"
        " OR EXISTS (SELECT FROM pg_catalog.pg_inherits AS p WHERE p.inhrelid = c.oid)"
    ),
    "triggers or foreign keys": "c.relhastriggers",
    "rules": "c.relhasrules",
    "row security": (
        "c.relrowsecurity OR c.relforcerowsecurity"
        " OR EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = c.oid)"
    ),
    "replication": (
        "c.relreplident <> 'd' OR EXISTS (SELECT FROM pg_catalog.pg_publication_tables AS p"
        " JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schemaname"
        " WHERE n.oid = c.relnamespace AND p.tablename = c.relname)"
    ),
    "columns with grants, options, statistics targets or an identity": (
        "EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0"
        " AND NOT a.attisdropped AND (a.attacl IS NOT NULL"
        # Names with pg_ are the server's own: some builds note something of theirs on every new column.
        " OR EXISTS (SELECT FROM pg_catalog.unnest(a.attoptions) AS o(text)"
        " WHERE NOT pg_catalog.starts_with(o.text, 'pg_'))"
        " OR coalesce(a.attstattarget, -1) >= 0 OR a.attidentity <> ''))"
    ),
    "grants of somebody else": (
        "EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) AS g WHERE g.grantor <> c.relowner)"
    ),
    "constraints that are deferrable or not validated": (
        "EXISTS (SELECT FROM pg_catalog.pg_constraint AS o"
        " WHERE o.conrelid = c.oid AND (o.condeferrable OR NOT o.convalidated))"
    ),
    "indexes with options, comments or a role of their own": (
        "EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid"
        " WHERE i.indrelid = c.oid AND (x.reltablespace <> 0 OR i.indisclustered OR i.indisreplident"
        " OR NOT i.indisvalid OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS a"
        " WHERE a.attrelid = x.oid AND coalesce(a.attstattarget, -1) >= 0)"
        " OR EXISTS (SELECT FROM pg_catalog.pg_description AS d"
        " WHERE d.objoid = x.oid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass)))"
        " OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS o JOIN pg_catalog.pg_description AS d"
        " ON d.objoid = o.oid AND d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass"
        " WHERE o.conrelid = c.oid AND o.contype <> 'c')"
    ),
    "a security label": "EXISTS (SELECT FROM pg_catalog.pg_seclabel AS l WHERE l.objoid = c.oid)",
    "views, sequences or other objects that need it": (
        "EXISTS (SELECT FROM pg_catalog.pg_depend AS d"
        " WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid"
        " AND NOT (d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype = 'i'"
        " OR d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass"
        " OR d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objid IN ("
        "SELECT o.oid FROM pg_catalog.pg_constraint AS o"
        " WHERE o.conrelid = c.oid AND o.contype IN ('c', 'n', 'p', 'u'))"
        " OR d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND (d.objid = c.reltoastrelid"
        " OR d.objid IN (SELECT i.indexrelid FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid))))"
        " OR EXISTS (SELECT FROM pg_catalog.pg_depend AS d"
        " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid"
        " AND d.deptype = 'e')"
        " OR EXISTS (SELECT FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_depend AS d"
        " ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (t.oid, t.typarray)"
        " WHERE t.oid = c.reltype AND d.objid <> t.typarray)"
    ),
}
HANGING: Final = (
    "SELECT pg_catalog.array_remove(ARRAY["
    + ", ".join(f"CASE WHEN {condition} THEN '{reason}' END" for reason, condition in _HANGING.items())
    + "]::text[], NULL) FROM pg_catalog.pg_class AS c WHERE c.oid = $1"
)
"""What hangs on the table of this OID that a new one would not have, in words; often nothing."""

INDEXES: Final = """
    SELECT x.oid, pg_catalog.quote_ident(x.relname) AS name, o.contype::text AS constrains,
           CASE WHEN pg_catalog.starts_with(f.whole, f.head)
                THEN pg_catalog.substr(f.whole, pg_catalog.length(f.head) + 1) END AS tail,
           i.indisunique AS is_unique
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_constraint AS o
      ON o.conindid = x.oid AND o.conrelid = c.oid AND o.contype IN ('p', 'u')
    CROSS JOIN LATERAL (
        SELECT pg_catalog.pg_get_indexdef(x.oid) AS whole,
               pg_catalog.format('CREATE %sINDEX %I ON %I.%I USING ',
                                 CASE WHEN i.indisunique THEN 'UNIQUE ' END,
                                 x.relname, n.nspname, c.relname) AS head) AS f
    WHERE i.indrelid = $1 ORDER BY x.relname"""
"""The indexes of a table. `tail` is what follows USING in the definition, NULL if it has another form."""

FITTING_OUT: Final = """
    SELECT pg_catalog.format('GRANT %s ON %s TO %s%s', g.privilege_type, $2::text,
               CASE g.grantee WHEN 0 THEN 'PUBLIC'
                              ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END,
               CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END) AS statement
    FROM pg_catalog.pg_class AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS g
    WHERE c.oid = $1 AND g.grantee <> c.relowner
    UNION ALL
    SELECT pg_catalog.format('COMMENT ON TABLE %s IS %L', $2::text, d.description)
    FROM pg_catalog.pg_description AS d
    WHERE d.objoid = $1 AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0"""
"""Statements that give the table of the quoted name $2 the grants and the comment of the one with OID $1."""

ALIKE: Final = """
    SELECT pg_catalog.count(DISTINCT (coalesce(a.grants, ''), coalesce(d.comments, ''))) = 1
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL (
        SELECT pg_catalog.string_agg(g::text, ' ' ORDER BY g::text) AS grants
        FROM pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) AS g) AS a
    CROSS JOIN LATERAL (
        SELECT pg_catalog.string_agg(t.said, ' ' ORDER BY t.said) AS comments FROM (
            SELECT pg_catalog.format('%L %L', n.attname, t.description) AS said
            FROM pg_catalog.pg_description AS t
            LEFT JOIN pg_catalog.pg_attribute AS n ON n.attrelid = t.objoid AND n.attnum = t.objsubid
            WHERE t.objoid = c.oid AND t.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
            UNION ALL
            SELECT pg_catalog.format('of %I %L', o.conname, t.description)
            FROM pg_catalog.pg_constraint AS o
            JOIN pg_catalog.pg_description AS t
              ON t.objoid = o.oid AND t.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
            WHERE o.conrelid = c.oid AND o.contype = 'c') AS t) AS d
    WHERE c.oid = ANY (ARRAY[$1::oid, $2::pg_catalog.regclass::oid])"""
"""Whether two tables have the same grants and comments: nothing keeps others from changing those."""


def beside(run: str) -> str:
    """The name of the table that a run fills beside the one that it replaces."""
    return f"_penstock_new_{run}"


def create(new: str, table: str) -> str:
    """A table with the columns, defaults, checks, storage and comments of another one; both are quoted."""
    like = "INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS"
    return f"CREATE TABLE {new} (LIKE {table} {like})"


def unnamed(oid: int) -> str:
    """The name of the new table's index until it takes that of the old one's."""
    return f"_penstock_new_{oid}"


def create_index(new: str, oid: int, tail: str, *, unique: bool) -> str:
    """An index of the new table, once its rows are there."""
    return f"CREATE {'UNIQUE ' if unique else ''}INDEX {unnamed(oid)} ON {new} USING {tail}"


def name_index(schema: str, table: str, name: str, *, oid: int, constrains: str | None) -> str:
    """The index takes its name, as a constraint if it carries one: `p` the primary key, `u` a unique key.

    `schema`, `table` and `name` are quoted.
    """
    if constrains is None:
        return f"ALTER INDEX {schema}.{unnamed(oid)} RENAME TO {name}"
    kind = "PRIMARY KEY" if constrains == "p" else "UNIQUE"
    return f"ALTER TABLE {table} ADD CONSTRAINT {name} {kind} USING INDEX {unnamed(oid)}"


def swap(new: str, table: str, name: str) -> tuple[str, str]:
    """The new table takes the name. DROP fails if something has come to hang on the old one meanwhile."""
    return f"DROP TABLE {table} RESTRICT", f"ALTER TABLE {new} RENAME TO {quote(name)}"
