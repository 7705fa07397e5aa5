"""Text from outside, through the whole graph: events show it as it is, and never as Markdown."""

import re

import orjson
import pytest

from stock_platform.plain_text import plain_text
from stock_platform_tests.support.markdown_attack import DISGUISED, IMAGE, drop_attack
from stock_platform_tests.support.platform_fixture import Platform

SESSION = "2012-11-07"
SHOWN_BY = ("StepMaterializationData", "AssetObservationData", "AssetCheckEvaluation")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A platform whose ERP files are an attack, after a full run."""
    with Platform(tmp_path_factory.mktemp("attack")) as platform:
        drop_attack(platform)
        for job in ("erp_load", "reference_data"):
            assert platform.run(job).success
        assert platform.run("daily_stock_prices", SESSION).success
        assert platform.run("quality_report").success
        yield platform


@pytest.fixture(scope="module")
def events(attacked):
    """Each event as Dagster stores it: JSON, in which only what JSON itself needs is escaped."""
    runs = attacked.instance.get_runs()
    entries = [it for run in runs for it in attacked.instance.all_logs(run.run_id)]
    return [orjson.dumps(orjson.loads(it.to_json())).decode() for it in entries]


@pytest.mark.parametrize("kind", SHOWN_BY)
def test_attack_reaches_the_metadata(events, kind):
    shown = [it for it in events if kind in it]
    assert any(IMAGE in it for it in shown)
    assert any(orjson.dumps(plain_text(DISGUISED)).decode()[1:-1] in it for it in shown)


def test_no_metadata_is_markdown(events):
    assert [it for it in events if "MarkdownMetadata" in it] == []


def test_no_description_has_outside_text(events):
    assert [it for it in events if re.search(r'"description":"[^"]*(!\[|cnI)', it)] == []


def test_no_event_has_disguised_text(events):
    assert [it for it in events if re.search("[\u202e\x9b]", it)] == []


def test_stored_names_stay_as_received(attacked):
    assert {IMAGE, DISGUISED} <= set(attacked.table("dim_company")["CompanyName"])
