"""Real history that Yahoo served broken: the right check finds each defect, and nothing else.

About two minutes for 12,000 sessions of 100 files. Skipped where the files are not beside the
checkout.
"""

import pytest

from stock_platform_tests.support.recorded_worlds.evaluate import evaluate, failures
from stock_platform_tests.support.recorded_worlds.expected import DEFECTS, LEFT, SHARES
from stock_platform_tests.support.recorded_worlds.files import MISSING, present
from stock_platform_tests.support.recorded_worlds.tables import markdown
from stock_platform_tests.support.recorded_worlds.worlds import AS_SERVED, CLEAN, REPAIRED, worlds

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not present(), reason=MISSING)]


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """By name: each world, and what the checks say of it."""
    folder = tmp_path_factory.mktemp("worlds")
    return {world.name: (world, evaluate(world)) for world in worlds(folder)}


@pytest.mark.parametrize("file", DEFECTS)
def test_what_is_wrong_with_a_file_is_found_by_the_right_checks(judged, file):
    failed = failures([judged[AS_SERVED][1]])
    assert DEFECTS[file].checks - set(failed.loc[failed["file"] == file, "check"]) == set()


def test_every_broken_file_is_judged(judged):
    world, _ = judged[AS_SERVED]
    assert {it.name for it in world.files.values() if it.kind == "broken"} == set(DEFECTS)


def test_a_control_is_found_faultless(judged):
    world, evaluation = judged[AS_SERVED]
    controls = {it.name for it in world.files.values() if it.kind == "control"}
    assert len(controls) == 6
    assert controls & set(failures([evaluation])["file"]) == set()


@pytest.mark.parametrize("world", [REPAIRED, *CLEAN])
def test_what_is_right_is_called_no_error(judged, world):
    failed = failures([judged[world][1]])
    errors = failed[(failed["severity"] == "ERROR") & ~failed["check"].isin(SHARES)]
    assert set(zip(errors["file"], errors["check"], strict=True)) - LEFT == set()


@pytest.mark.parametrize("world", CLEAN)
def test_a_clean_set_warns_of_one_dividend_that_was_adjusted_for_twice(judged, world):
    """V paid 0.14 on 2016-02-10; its adjusted close steps by it again on 2016-02-17."""
    failed = failures([judged[world][1]])
    found = list(zip(failed["symbol"], failed["session"], failed["check"], strict=True))
    assert found == [("V", "2016-02-17", "dividend_plausible")] * (world == "us_2012_2017")


@pytest.mark.parametrize("world", [AS_SERVED, REPAIRED, *CLEAN])
def test_no_day_of_a_file_is_left_out(judged, world):
    """Every day is a session of its exchange: a price, or a record in the quarantine."""
    built, _ = judged[world]
    assert not any(built.closed.values())
    for symbol, file in built.files.items():
        assert built.rows[symbol] <= len(built.asked[symbol]), file.name


def test_the_tables_name_every_file(judged):
    built, evaluations = zip(*judged.values(), strict=True)
    text = markdown(built, evaluations)
    assert all(f"`{file}`" in text for file in DEFECTS)
