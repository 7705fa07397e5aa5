"""ERP text in Dagster's UI, in a real browser: shown unchanged, and never executed."""

import orjson
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from stock_platform_tests.support.browser import chromium
from stock_platform_tests.support.markdown_attack import IMAGE, VICTIM, drop_attack
from stock_platform_tests.support.webserver import browsable

pytestmark = pytest.mark.integration

TIMEOUT_S = 60
EVENTS = """
query ($path: [String!]!) {
  assetOrError(assetKey: {path: $path}) {
    ... on Asset { assetMaterializations { timestamp } assetObservations { timestamp } }
  }
}
"""
METADATA = """
query {
  assetsOrError { ... on AssetConnection { nodes {
    assetMaterializations { description metadataEntries { __typename label } }
    assetObservations { description metadataEntries { __typename label } }
  } } }
}
"""


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    """The UI of dimensions that were loaded from an attacker's ERP files."""

    def fill(platform):
        drop_attack(platform)
        assert platform.run("erp_load").success
        assert platform.run("reference_data").success

    with browsable(tmp_path_factory.mktemp("attack"), fill) as ui:
        yield ui


@pytest.fixture(scope="module")
def browser():
    with chromium(1600, 1600) as browser:
        yield browser


def materializations(ui):
    return ui.ask(EVENTS, path=[VICTIM])["assetOrError"]["assetMaterializations"]


def mutations(browser):
    """Addresses with a mutation that pages requested."""
    entries = [orjson.loads(entry["message"]) for entry in browser.get_log("performance")]
    messages = [entry["message"] for entry in entries]
    sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    urls = [params["request"]["url"] for params in sent]
    return [url for url in urls if "query=mutation" in url]


def assert_harmless(ui, browser, page):
    """Open a page and everything behind "Show" until the attack is visible.

    It must be visible as text, and not as an image that requests a mutation.
    """

    def visible(_):
        text = browser.find_element(By.TAG_NAME, "body").text
        return IMAGE in text or browser.find_elements(By.CSS_SELECTOR, "img[src*=mutation]")

    def actions(_):
        return browser.find_elements(By.XPATH, "//a[contains(., 'Show ')]")

    before = materializations(ui)
    browser.get(f"{ui.url}/assets/{page}")
    wait = WebDriverWait(browser, TIMEOUT_S)
    wait.until(lambda driver: actions(driver) or visible(driver))
    for action in actions(browser):
        browser.execute_script("arguments[0].click()", action)
    wait.until(visible)
    assert mutations(browser) == []
    assert materializations(ui) == before


def test_api_has_no_markdown_metadata(ui):
    nodes = ui.ask(METADATA)["assetsOrError"]["nodes"]
    events = [event for node in nodes for kind in node.values() for event in kind]
    entries = [entry for event in events for entry in event["metadataEntries"]]
    assert "TableMetadataEntry" in {entry["__typename"] for entry in entries}
    assert [entry for entry in entries if entry["__typename"] == "MarkdownMetadataEntry"] == []
    assert [event for event in events if "![" in (event["description"] or "")] == []


@pytest.mark.parametrize("view", ["overview", "events"])
@pytest.mark.parametrize("asset", ["dim_company", "raw_erp_companies"])
def test_opened_metadata_runs_no_mutation(ui, browser, asset, view):
    assert_harmless(ui, browser, f"{asset}?view={view}")


def test_failed_check_runs_no_mutation(ui, browser):
    assert_harmless(ui, browser, "raw_erp_companies?view=checks&checkDetail=files_accepted")


def test_file_metadata_runs_no_mutation(ui, browser):
    loads = ui.ask(EVENTS, path=["raw_erp_companies"])["assetOrError"]["assetObservations"]
    assert len(loads) == 2
    for load in loads:
        assert_harmless(ui, browser, f"raw_erp_companies?view=events&time={load['timestamp']}")
