"""The plan as text and JSON: what somebody must be able to approve at three in the morning."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from restore.core.dumps import Blob
from restore.core.estimate import Estimate, Load
from restore.core.facts import Finding
from restore.core.plan import Check, DatabaseStep, Engine, Plan
from restore.core.plan_view import as_json, as_text
from restore.core.prediction import predict, sample, whole

AZ = "az postgres flexible-server parameter set --resource-group rg --server-name pg --value a,b"
CRM = DatabaseStep(
    "crm",
    "crm",
    "crm__restoring_01234567",
    "crm__before_01234567",
    Blob("x_database_crm.sql", 4_200_000_000, "etag"),
    Engine.STREAM,
    18,
    owner="crm_owner",
    tables=1214,
    connections=4,
    replaces=16412,
)
SHOP = DatabaseStep(
    "shop",
    "shop_drill",
    "shop_drill__restoring_01234567",
    "",
    Blob("x_database_shop.sql", 900, "etag"),
    Engine.PSQL,
    18,
)
PLAN = Plan(
    databases=(CRM, SHOP),
    borrow=("crm_owner", "reporting"),
    creates=("crm_owner",),
    server="pg-dr.postgres.database.azure.com:5432",
    target_version="18.4",
    warnings=(
        Finding("left-out", "database 'crm'", "EVENT TRIGGER audit: only a superuser can"),
        Finding("owner-missing", "database 'crm'", "expected x", "create it", ("CREATE ROLE x;",)),
    ),
    notes=(
        Finding("skipped", "file 'y'", "system database 'azure_sys'"),
        Finding("few-connections", "connections", "4 for each", passing=True),
    ),
    estimate=Estimate(100, 8000, 4_300_000_000, 33_000_000_000, 11_800_000_000),
    hash="ab" * 32,
)
REFUSED = Plan(
    databases=(CRM,),
    server="pg:5432",
    refusals=(
        Finding("extension-not-allowed", "database 'crm'", "a", "allow them", (AZ,)),
        Finding("extension-not-allowed", "database 'shop'", "b", "allow them", (AZ,)),
    ),
    hash="cd" * 32,
)


def test_the_text_says_first_what_will_be_lost_and_last_how_to_agree():
    assert (
        as_text(PLAN)
        == """\
Plan for pg-dr.postgres.database.azure.com:5432, PostgreSQL 18.4

REPLACED: 11.0 GiB on the server now
  crm  kept as crm__before_01234567  oid 16412

CREATED
  database    from       dump  tables  by      sessions  owner
  crm         same    3.9 GiB   1,214  stream         4  crm_owner
  shop_drill  shop  900 bytes          psql           1  the login
  roles: crm_owner
  member, until the end, of: crm_owner, reporting

LEFT OUT
  - database 'crm': EVENT TRIGGER audit: only a superuser can [left-out]
  - file 'y': system database 'azure_sys' [skipped]

WARNINGS
  - database 'crm': expected x [owner-missing]
    create it
        CREATE ROLE x;

NOTES
  - connections: 4 for each [few-connections]

EXPECTED
  time   100 s to 2 h 14 min
  disk   4.0 GiB to 30.7 GiB, and WAL

To approve what is created, replaced and left out above (not what is expected):
  POST /api/restores/<id>/approve  {"hash": "%s"}
"""
        % ("ab" * 32)
    )


def test_a_refused_plan_says_so_first_and_a_common_cure_once():
    text = as_text(REFUSED)
    assert text.startswith("Plan for pg:5432\n\nREFUSED: nothing will be done")
    assert text.count(AZ) == 1
    assert "\nWOULD BE REPLACED" in text
    assert "\nWOULD BE CREATED" in text
    assert "EXPECTED" not in text
    assert text.endswith("refused, so there is nothing to approve.\n")


def test_a_command_is_never_broken_and_text_never_runs_off_the_page():
    long = Finding("slow-setting", "server", "word " * 60, "hint " * 60, (AZ * 3,))
    lines = as_text(Plan((), server="pg:5432", notes=(long,))).splitlines()
    assert f"        {AZ * 3}" in lines
    assert all(len(line) <= 100 for line in lines if AZ not in line and "hash" not in line)


def test_what_is_dropped_in_the_end_is_told_in_capitals():
    text = as_text(Plan((replace(CRM, keeps=False),), server="pg:5432"))
    assert "crm  DROPPED, after the new one has its name  oid 16412" in text


def test_a_schema_in_a_database_that_stays_is_told_as_such():
    beside = replace(CRM, before="", side_schema="old_crm")
    plan = Plan((beside,), server="pg:5432")
    assert "\n  crm, schema old_crm  same" in as_text(plan)
    assert "REPLACED" not in as_text(plan)
    assert as_json(plan)["databases"][0]["sideSchema"] == "old_crm"


@pytest.mark.parametrize(
    ("seconds", "said"), [(10, "10 s"), (121, "3 min"), (7100, "119 min"), (7200, "2 h 00 min")]
)
def test_times_are_as_exact_as_they_deserve(seconds, said):
    text = as_text(Plan((), server="pg:5432", estimate=Estimate(10, seconds)))
    assert f"time   10 s to {said}\n" in text


def test_the_json_has_the_same():
    body = json.loads(json.dumps(as_json(PLAN)))
    assert body["hash"] == "ab" * 32
    assert body["server"] == "pg-dr.postgres.database.azure.com:5432"
    assert body["databases"][0]["replaces"] == {"oid": 16412, "keptAs": "crm__before_01234567"}
    assert "replaces" not in body["databases"][1]
    assert body["rolesBorrowed"] == ["crm_owner", "reporting"]
    assert body["estimate"]["seconds"] == [100, 8000]
    assert [(f["severity"], f["code"], f["inHash"]) for f in body["findings"]] == [
        ("warning", "left-out", True),
        ("warning", "owner-missing", True),
        ("note", "skipped", True),
        ("note", "few-connections", False),
    ]
    assert body["findings"][1] == {
        "severity": "warning",
        "code": "owner-missing",
        "object": "database 'crm'",
        "message": "expected x",
        "hint": "create it",
        "fix": ["CREATE ROLE x;"],
        "inHash": True,
    }
    assert as_json(REFUSED)["findings"][0]["severity"] == "refusal"


def test_sql_and_a_drill_are_shown():
    step = replace(CRM, hooks=("DELETE FROM t;\nDELETE FROM u",), checks=(Check("SELECT true"),))
    plan = Plan((step,), server="pg:5432", drops=True)
    text = as_text(plan)
    assert "RUN in them" in text
    assert "  DELETE FROM u" in text
    assert f"{CRM.target}: check: SELECT true" in text
    assert "DROPPED AGAIN" in text
    (shown,) = as_json(plan)["databases"]
    assert shown["beforePublish"] == step.hooks
    assert shown["checks"] == [{"sql": "SELECT true", "expect": [["t"]]}]


def test_the_time_says_what_it_is_known_by():
    load = Load("stream", 100_000_000)
    usual = replace(PLAN, prediction=predict([load, load]))
    assert "\n  time   100 s to 2 h 14 min, by benchmarks\n" in as_text(usual)
    past = [sample(load, 300.0)] * 12
    known = replace(PLAN, prediction=predict([load, load], past, [whole([load], 300.0)] * 12))
    assert re.search(
        r"\n  time   \d+ min to \d+ min, likely \d+ min, by 12 runs on", as_text(known)
    )
    body = json.loads(json.dumps(as_json(known)))["prediction"]
    assert body["basis"] == "12 runs on this server"
    assert 0 < body["least"] <= body["seconds"] <= body["most"]
    assert [one["name"] for one in body["databases"]] == ["crm", "shop"]
    assert body["databases"][0].keys() == {"name", "seconds", "least", "most"}
    assert "prediction" not in as_json(PLAN)
