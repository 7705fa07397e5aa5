"""Outside text in the whole graph: events show it unchanged, and never as Markdown."""

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
        jobs = {"erp_load": None, "reference_data": None, "daily_stock_prices": SESSION}
        for job, session in {**jobs, "quality_report": None}.items():
            assert platform.run(job, session).success
        yield platform


@pytest.fixture(scope="module")
def events(attacked):
    """Each event as stored JSON, in which only the characters that JSON requires are escaped."""
    runs = attacked.instance.get_runs()
    entries = [entry for run in runs for entry in attacked.instance.all_logs(run.run_id)]
    return [orjson.dumps(orjson.loads(entry.to_json())).decode() for entry in entries]


@pytest.mark.parametrize("kind", SHOWN_BY)
def test_attack_reaches_the_metadata(events, kind):
    shown = [event for event in events if kind in event]
    assert any(IMAGE in event for event in shown)
    assert any(orjson.dumps(plain_text(DISGUISED)).decode()[1:-1] in event for event in shown)


def test_no_metadata_is_markdown(events):
    assert [event for event in events if "MarkdownMetadata" in event] == []


def test_no_description_has_outside_text(events):
    assert [event for event in events if re.search(r'"description":"[^"]*(!\[|cnI)', event)] == []


def test_no_event_has_disguised_text(events):
    assert [event for event in events if re.search("[\u202e\x9b]", event)] == []


def test_stored_names_stay_as_received(attacked):
    assert {IMAGE, DISGUISED} <= set(attacked.table("dim_company")["CompanyName"])
