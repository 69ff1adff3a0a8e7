"""The databases that are restored, each a script of SQL that makes it, larger or smaller.

The data is made of words drawn unevenly from a vocabulary, numbers and times, for a dump of it to
compress as real ones do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from psycopg import sql

Script = list[sql.SQL | sql.Composed]
"""Statements, each run by itself: some commit as they go."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of database. `connections` are the numbers of them that it is restored with."""

    name: str
    about: str
    script: Callable[[float], Script]
    connections: tuple[int, ...] = (2,)
    emulated_connections: tuple[int, ...] = ()


_VOCABULARY: Script = [
    sql.SQL("SET max_parallel_workers_per_gather = 0"),
    sql.SQL("SELECT setseed(0.42)"),
    sql.SQL("""
        CREATE TEMP TABLE word AS
        SELECT row_number() OVER () AS id, text FROM (
            SELECT DISTINCT string_agg(
                substr('bcdfghklmnprstvw', 1 + floor(random() * 16)::int, 1)
                || substr('aeiou', 1 + floor(random() * 5)::int, 1)
                || CASE WHEN random() < 0.3 THEN substr('nrslt', 1 + floor(random() * 5)::int, 1)
                    ELSE '' END, '') AS text
            FROM generate_series(1, 3000) AS w, generate_series(1, 4) AS s
            WHERE s <= 1 + w % 4 GROUP BY w) AS words"""),
    # The cube prefers the words at the front of the list, much as a language does.
    sql.SQL("""
        CREATE TEMP TABLE sentence AS
        SELECT s AS id, string_agg(text, ' ') AS text
        FROM (SELECT s, 1 + floor(random() ^ 3 * (SELECT count(*) FROM word))::bigint AS id
            FROM generate_series(0, 19999) AS s, generate_series(1, 10)) AS picked
            JOIN word USING (id)
        GROUP BY s ORDER BY s"""),
    sql.SQL("ALTER TABLE sentence ADD PRIMARY KEY (id)"),
    sql.SQL("ANALYZE sentence"),
    # The order in which rows come must not depend on a plan.
    sql.SQL("SET enable_mergejoin = off"),
    sql.SQL("""
        CREATE FUNCTION pg_temp.sentence() RETURNS bigint VOLATILE LANGUAGE sql
        RETURN floor(random() * 20000)::bigint"""),
]


def _statement(text: str, **counts: int) -> sql.Composed:
    return sql.SQL(text).format(**{name: sql.Literal(count) for name, count in counts.items()})


def _one_big(scale: float) -> Script:
    orders = int(4_500_000 * scale)
    script: Script = [
        _statement(
            """
            CREATE TABLE customers AS
            SELECT c AS id, initcap(split_part(text, ' ', 1)) AS name,
                replace(left(text, 24), ' ', '.') || c || '@example.com' AS email,
                date '2015-01-01' + c % 3000 AS since
            FROM generate_series(1, {customers}) AS c JOIN sentence ON id = c * 7919::bigint % 20000
            ORDER BY c""",
            customers=max(100, orders // 30),
        ),
        sql.SQL("ALTER TABLE customers ADD PRIMARY KEY (id)"),
        _statement(
            """
            CREATE TABLE orders AS
            SELECT o AS id, 1 + floor(random() * {customers})::int AS customer_id,
                timestamptz '2020-01-01' + o * interval '37 seconds' AS placed_at,
                (ARRAY['new', 'paid', 'sent', 'returned'])[1 + floor(random() ^ 2 * 4)::int]
                    AS status,
                round((random() * 900)::numeric, 2) AS amount,
                md5(random()::text)::uuid AS reference,
                a.text AS note, CASE WHEN o % 3 = 0 THEN NULL ELSE left(b.text, 50) END AS address
            FROM (SELECT o, pg_temp.sentence() AS a, pg_temp.sentence() AS b
                FROM generate_series(1::bigint, {orders}) AS o) AS o
                JOIN sentence AS a ON a.id = o.a JOIN sentence AS b ON b.id = o.b
            ORDER BY o""",
            customers=max(100, orders // 30),
            orders=orders,
        ),
        sql.SQL("ALTER TABLE orders ADD PRIMARY KEY (id)"),
        sql.SQL("CREATE INDEX ON orders (customer_id, placed_at)"),
        sql.SQL("CREATE INDEX ON orders (reference)"),
        sql.SQL("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers"),
    ]
    for name in ("payments", "parcels", "complaints", "reviews"):
        table = sql.Identifier(name)
        script += [
            sql.SQL("""
                CREATE TABLE {} AS
                SELECT r AS id, r * 13 % {} + 1 AS order_id,
                    timestamptz '2020-01-01' + r * interval '5 minutes' AS at, text AS remark
                FROM generate_series(1::bigint, {}) AS r
                    JOIN sentence AS s ON s.id = r * 104729 % 20000
                ORDER BY r""").format(table, sql.Literal(orders), sql.Literal(orders // 15)),
            sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(table),
            sql.SQL("ALTER TABLE {} ADD FOREIGN KEY (order_id) REFERENCES orders").format(table),
        ]
    return script


def _many(scale: float) -> Script:
    return [
        _statement(
            """
            DO $do$
            DECLARE
                k int;
                n int;
            BEGIN
                FOR k IN 1..300 LOOP
                    -- Of different sizes, the largest about four times the smallest.
                    n := greatest(100, {rows} * (40 + k * 7919 % 121) / 100);
                    EXECUTE format($x$
                        CREATE TABLE item_%1$s AS
                        SELECT r AS id, 1 + r * 31 %% %2$s AS parent_id, left(text, 60) AS label,
                            round((random() * 1e5)::numeric, 3) AS value,
                            timestamp '2021-01-01' + r * interval '1 minute' AS changed,
                            left(md5(r::text), 6) AS checksum, right(text, 40) AS remark
                        FROM generate_series(1::bigint, %3$s) AS r
                            JOIN sentence AS s ON s.id = (r * 7919 + %1$s) %% 20000
                        ORDER BY r$x$, k, greatest(100, {rows} * 40 / 100), n);
                    EXECUTE format('ALTER TABLE item_%s ADD PRIMARY KEY (id)', k);
                    EXECUTE format('CREATE INDEX ON item_%s (label)', k);
                    EXECUTE format('CREATE INDEX ON item_%s (parent_id, changed)', k);
                    IF k > 1 THEN
                        EXECUTE format('ALTER TABLE item_%s ADD FOREIGN KEY (parent_id)
                            REFERENCES item_%s', k, k / 2);
                    END IF;
                    COMMIT;
                END LOOP;
            END
            $do$""",
            rows=int(26_000 * scale),
        )
    ]


def _wide(scale: float) -> Script:
    return [
        _statement(
            """
            CREATE TABLE pages AS
            SELECT p AS id, initcap(left(min(text), 30)) AS title,
                string_agg(text, '. ' ORDER BY k) AS body
            FROM (SELECT p, k, pg_temp.sentence() AS s FROM generate_series(1, {pages}) AS p,
                generate_series(1, 60) AS k WHERE k <= 15 + p * 31 % 46) AS drawn
                JOIN sentence ON id = s
            GROUP BY p ORDER BY p""",
            pages=int(190_000 * scale),
        ),
        sql.SQL("ALTER TABLE pages ADD PRIMARY KEY (id)"),
        sql.SQL("CREATE INDEX ON pages (lower(title))"),
        _statement(
            """
            CREATE TABLE events AS
            SELECT e AS id, jsonb_build_object('kind', 'kind-' || e % 40, 'session', md5(e::text),
                'at', timestamp '2022-01-01' + e * interval '3 seconds', 'text', a.text,
                'tags', to_jsonb(string_to_array(left(b.text, 40), ' ')),
                'place', jsonb_build_object('x', e % 977, 'y', e % 1009, 'label', left(b.text, 20)),
                'detail', CASE WHEN e % 5 = 0 THEN repeat(b.text || ', ', 12) END) AS payload
            FROM (SELECT e, pg_temp.sentence() AS a, pg_temp.sentence() AS b
                FROM generate_series(1::bigint, {events}) AS e) AS e
                JOIN sentence AS a ON a.id = e.a JOIN sentence AS b ON b.id = e.b
            ORDER BY e""",
            events=int(900_000 * scale),
        ),
        sql.SQL("ALTER TABLE events ADD PRIMARY KEY (id)"),
        sql.SQL("CREATE INDEX ON events ((payload ->> 'kind'), id)"),
        _statement(
            """
            CREATE TABLE profiles AS
            SELECT p AS id, jsonb_build_object('name', initcap(left(text, 20)), 'age', 18 + p % 70,
                'likes', to_jsonb(string_to_array(text, ' '))) AS profile
            FROM generate_series(1, {profiles}) AS p
                JOIN sentence ON id = p * 104729::bigint % 20000 ORDER BY p""",
            profiles=int(150_000 * scale),
        ),
        sql.SQL("ALTER TABLE profiles ADD PRIMARY KEY (id)"),
        sql.SQL("CREATE INDEX ON profiles USING gin (profile jsonb_path_ops)"),
    ]


def _tiny(scale: float) -> Script:
    return [
        _statement(
            """
            DO $do$
            BEGIN
                FOR k IN 1..{tables} LOOP
                    EXECUTE format('CREATE TABLE tiny_%s (id int PRIMARY KEY, name text, at date)',
                        k);
                    EXECUTE format($x$INSERT INTO tiny_%s SELECT r, left(text, 30), '2024-01-01'
                        FROM generate_series(1, %s) AS r JOIN sentence ON id = r + %s$x$,
                        k, k % 10, k % 19000);
                    IF k % 500 = 0 THEN
                        COMMIT;
                    END IF;
                END LOOP;
            END
            $do$""",
            tables=int(50_000 * scale),
        ),
        _statement(
            """
            SELECT count(lo_from_bytea((100000 + o)::oid,
                convert_to(repeat(text || ' ', 1 + o % 12), 'UTF8')))
            FROM generate_series(1, {objects}) AS o JOIN sentence ON id = o % 20000""",
            objects=int(200_000 * scale),
        ),
    ]


def _partitions(scale: float) -> Script:
    return [
        sql.SQL("CREATE TABLE sensors (id int PRIMARY KEY, name text NOT NULL)"),
        sql.SQL("""INSERT INTO sensors SELECT s + 1, initcap(left(text, 25)) FROM
            generate_series(0, 4999) AS s JOIN sentence ON id = s ORDER BY s"""),
        sql.SQL("""
            CREATE TABLE measurements (id bigint, taken timestamptz NOT NULL,
                sensor_id int NOT NULL, value double precision, state text, remark text)
            PARTITION BY RANGE (taken)"""),
        sql.SQL("""
            DO $do$
            DECLARE
                name text;
                bounds text;
            BEGIN
                FOR k IN 0..63 LOOP
                    name := 'measurements_' || k;
                    bounds := format('FOR VALUES FROM (%L) TO (%L)',
                        timestamptz '2020-01-01 00:00+00' + k * interval '10 days',
                        timestamptz '2020-01-01 00:00+00' + (k + 1) * interval '10 days');
                    -- Each eighth is partitioned again.
                    IF k % 8 = 7 THEN
                        EXECUTE format('CREATE TABLE %I PARTITION OF measurements %s
                            PARTITION BY HASH (sensor_id)', name, bounds);
                        FOR h IN 0..3 LOOP
                            EXECUTE format('CREATE TABLE %I PARTITION OF %I
                                FOR VALUES WITH (MODULUS 4, REMAINDER %s)', name || '_' || h, name,
                                h);
                        END LOOP;
                    ELSE
                        EXECUTE format('CREATE TABLE %I PARTITION OF measurements %s', name,
                            bounds);
                    END IF;
                END LOOP;
            END
            $do$"""),
        _statement(
            """
            INSERT INTO measurements
            SELECT m, timestamptz '2020-01-01 00:00+00'
                    + m * (interval '640 days' / ({measurements} + 1)),
                1 + floor(random() * 5000)::int, round((random() * 200 - 50)::numeric, 3),
                (ARRAY['good', 'fair', 'poor'])[1 + floor(random() ^ 2 * 3)::int], left(text, 70)
            FROM (SELECT m, pg_temp.sentence() AS s
                FROM generate_series(1::bigint, {measurements}) AS m) AS m
                JOIN sentence AS a ON a.id = m.s
            ORDER BY m""",
            measurements=int(5_500_000 * scale),
        ),
        sql.SQL("ALTER TABLE measurements ADD PRIMARY KEY (id, taken, sensor_id)"),
        sql.SQL("CREATE INDEX ON measurements (sensor_id, taken)"),
        sql.SQL("CREATE INDEX ON measurements (state)"),
        sql.SQL("ALTER TABLE measurements ADD FOREIGN KEY (sensor_id) REFERENCES sensors"),
    ]


SHAPES: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape("one_big", "one table has 85 % of the data", _one_big, (2, 4), (4, 8)),
        Shape("many", "300 tables with indexes and foreign keys", _many, (2, 4), (8,)),
        Shape("wide", "long texts and JSON", _wide),
        Shape("tiny", "50,000 small tables and 200,000 large objects", _tiny),
        Shape("partitions", "88 partitions on two levels", _partitions),
    )
}


def script(shape: Shape, scale: float) -> Script:
    """The statements that make `shape` in an empty database; 1.0 is its full size."""
    return [*_VOCABULARY, *shape.script(scale)]
