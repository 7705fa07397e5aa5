"""ERP text in Dagster's own UI, in a real browser: shown as it is, and never run."""

import dagster as dg
import orjson
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from stock_platform_tests.support.browser import chromium
from stock_platform_tests.support.markdown_attack import IMAGE, VICTIM, drop_attack
from stock_platform_tests.support.platform_fixture import Platform
from stock_platform_tests.support.webserver import serving

pytestmark = pytest.mark.integration

PATIENCE_S = 60
EVENTS = """
query ($path: [String!]!) {
  assetOrError(assetKey: {path: $path}) {
    ... on Asset { assetMaterializations { timestamp } assetObservations { timestamp } }
  }
}
"""
METADATA = """
query {
  assetsOrError {
    ... on AssetConnection {
      nodes {
        assetMaterializations { description metadataEntries { __typename label } }
        assetObservations { description metadataEntries { __typename label } }
      }
    }
  }
}
"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    """The UI over dimensions that were loaded from an attacker's ERP files."""
    folder = tmp_path_factory.mktemp("attack")
    home = folder / "home"
    home.mkdir()
    with (
        Platform(folder) as platform,
        dg.instance_for_test({"nux": {"enabled": False}}, temp_dir=str(home)) as instance,
    ):
        platform.instance = instance
        drop_attack(platform)
        assert platform.run("erp_load").success
        assert platform.run("reference_data").success
    settings = {
        "DAGSTER_HOME": str(home),
        "STOCK_PLATFORM_LAKE": platform.settings.lake,
        "STOCK_PLATFORM_WAREHOUSE": platform.settings.warehouse,
    }
    with serving(folder / "log", settings, daemon=False) as it:
        yield it


@pytest.fixture(scope="module")
def browser():
    with chromium(1600, 1600) as it:
        yield it


def materializations(ui):
    return ui.ask(EVENTS, path=[VICTIM])["assetOrError"]["assetMaterializations"]


def mutations(browser):
    """Addresses that pages asked for, if they carry a mutation."""
    messages = [orjson.loads(it["message"])["message"] for it in browser.get_log("performance")]
    sent = [it["params"] for it in messages if it["method"] == "Network.requestWillBeSent"]
    return [it["request"]["url"] for it in sent if "query=mutation" in it["request"]["url"]]


def assert_harmless(ui, browser, page):
    """Open a page and all that it hides behind "Show", until the attack is visible.

    It may be visible as text, and not as what it would be: an image that asks for a mutation.
    """

    def visible(_):
        text = browser.find_element(By.TAG_NAME, "body").text
        return IMAGE in text or browser.find_elements(By.CSS_SELECTOR, "img[src*=mutation]")

    def actions(_):
        return browser.find_elements(By.XPATH, "//a[contains(., 'Show ')]")

    before = materializations(ui)
    browser.get(f"{ui.url}/assets/{page}")
    wait = WebDriverWait(browser, PATIENCE_S)
    wait.until(lambda it: actions(it) or visible(it))
    for action in actions(browser):
        browser.execute_script("arguments[0].click()", action)
    wait.until(visible)
    assert mutations(browser) == []
    assert materializations(ui) == before


def test_api_has_no_markdown_metadata(ui):
    nodes = ui.ask(METADATA)["assetsOrError"]["nodes"]
    events = [it for node in nodes for kind in node.values() for it in kind]
    entries = [entry for event in events for entry in event["metadataEntries"]]
    assert "TableMetadataEntry" in {it["__typename"] for it in entries}
    assert [it for it in entries if it["__typename"] == "MarkdownMetadataEntry"] == []
    assert [it for it in events if "![" in (it["description"] or "")] == []


@pytest.mark.parametrize("view", ["overview", "events"])
@pytest.mark.parametrize("asset", ["dim_company", "raw_erp_companies"])
def test_opened_metadata_runs_no_mutation(ui, browser, asset, view):
    assert_harmless(ui, browser, f"{asset}?view={view}")


def test_failed_check_runs_no_mutation(ui, browser):
    assert_harmless(ui, browser, "raw_erp_companies?view=checks&checkDetail=files_accepted")


def test_loaded_and_rejected_files_run_no_mutation(ui, browser):
    loads = ui.ask(EVENTS, path=["raw_erp_companies"])["assetOrError"]["assetObservations"]
    assert len(loads) == 2
    for load in loads:
        assert_harmless(ui, browser, f"raw_erp_companies?view=events&time={load['timestamp']}")
