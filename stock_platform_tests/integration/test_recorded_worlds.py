"""Checks find each defect of recorded history that Yahoo served broken, and nothing else.

About two minutes for 12,000 sessions of 100 files. Skipped without the recorded files.
"""

import pytest

from stock_platform_tests.support.recorded_worlds.evaluate import evaluate, failures
from stock_platform_tests.support.recorded_worlds.expected import DEFECTS, LEFT, SHARES
from stock_platform_tests.support.recorded_worlds.files import MISSING, present
from stock_platform_tests.support.recorded_worlds.tables import markdown
from stock_platform_tests.support.recorded_worlds.worlds import AS_SERVED, CLEAN, REPAIRED, worlds

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not present(), reason=MISSING)]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Each world with its check results, by name."""
    folder = tmp_path_factory.mktemp("worlds")
    return {world.name: (world, evaluate(world)) for world in worlds(folder)}


@pytest.mark.parametrize("file", DEFECTS)
def test_defect_fails_expected_checks(evaluated, file):
    failed = failures([evaluated[AS_SERVED][1]])
    assert DEFECTS[file].checks - set(failed.loc[failed["file"] == file, "check"]) == set()


def test_every_broken_file_has_expectations(evaluated):
    world, _ = evaluated[AS_SERVED]
    assert {file.name for file in world.files.values() if file.kind == "broken"} == set(DEFECTS)


def test_controls_pass_every_check(evaluated):
    world, evaluation = evaluated[AS_SERVED]
    controls = {file.name for file in world.files.values() if file.kind == "control"}
    assert len(controls) == 6
    assert controls & set(failures([evaluation])["file"]) == set()


@pytest.mark.parametrize("world", [REPAIRED, *CLEAN])
def test_correct_files_have_no_errors(evaluated, world):
    failed = failures([evaluated[world][1]])
    errors = failed[(failed["severity"] == "ERROR") & ~failed["check"].isin(SHARES)]
    assert set(zip(errors["file"], errors["check"], strict=True)) - LEFT == set()


@pytest.mark.parametrize("world", CLEAN)
def test_clean_set_warns_only_of_known_dividend(evaluated, world):
    """V paid 0.14 on 2016-02-10; its adjusted close steps by it again on 2016-02-17."""
    failed = failures([evaluated[world][1]])
    found = list(zip(failed["symbol"], failed["session"], failed["check"], strict=True))
    assert found == [("V", "2016-02-17", "dividend_plausible")] * (world == "us_2012_2017")


@pytest.mark.parametrize("world", [AS_SERVED, REPAIRED, *CLEAN])
def test_every_recorded_day_is_a_session(evaluated, world):
    """Each is a price or a quarantined record."""
    built, _ = evaluated[world]
    for symbol, recorded in built.recorded.items():
        assert set(recorded.days) <= set(recorded.hours)
        assert len(recorded.days) <= len(built.asked[symbol]), recorded.file.name


def test_tables_name_every_file(evaluated):
    built, evaluations = zip(*evaluated.values(), strict=True)
    text = markdown(built, evaluations)
    assert all(f"`{file}`" in text for file in DEFECTS)
