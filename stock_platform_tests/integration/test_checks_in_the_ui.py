"""Check results in Dagster's UI, in a real browser."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from stock_platform_tests.support.browser import chromium, keep
from stock_platform_tests.support.webserver import browsable
from stock_platform_tests.unit.test_market_defects import EX, KEYS, run_graph

pytestmark = pytest.mark.integration

GROUPS = ("raw", "processed", "warehouse", "quality")


@pytest.fixture
def ui(tmp_path, yahoo):
    """The UI after a range run with planted defects, and its quality report."""

    def fill(platform):
        assert run_graph(platform, yahoo).success
        assert platform.run("quality_report").success

    # The trading days of the run; nothing is fetched.
    days = {"START_DATE": KEYS[0], "END_DATE": KEYS[-1], "MARKET_DATA": "yahoo"}
    settings = {f"STOCK_PLATFORM_{name}": value for name, value in days.items()}
    with browsable(tmp_path, fill, **settings) as ui:
        yield ui


def test_checks_tab_shows_each_session(ui):
    with chromium(1500, 900) as browser:

        def text():
            return browser.find_element(By.TAG_NAME, "body").text

        def wait_for(*wanted):
            WebDriverWait(browser, 60).until(lambda _: all(part in text() for part in wanted))

        browser.get(f"{ui.url}/assets/processed_stock_prices?view=checks&checkDetail=unit_scale")
        wait_for("unit_scale", "split_applied", "dividend_plausible", f"1 of {len(KEYS)} sessions")
        tab = browser.find_elements(By.XPATH, "//*[text()='Partitions']")[-1]
        browser.execute_script("arguments[0].click()", tab)  # it is animated
        wait_for("Failed (1)", f"Passed ({len(KEYS) - 1})", "Missing (0)")
        sessions = browser.find_elements(By.XPATH, f"//*[text()='{KEYS[EX]}']")
        next(found for found in sessions if found.is_displayed()).click()
        wait_for("1 of 10 bars failed")
        keep(browser, "check-by-session")
        browser.get(f"{ui.url}/assets/quality_report")
        wait_for("quality.html", "errors")
        keep(browser, "quality-report-asset")
        browser.set_window_size(2200, 2300)
        groups = "%2C".join(f"global%40global%3A{group}" for group in GROUPS)
        browser.get(f"{ui.url}/asset-groups?expanded={groups}")
        wait_for("fact_stock_price", "dim_company", "quality_report", "raw_erp_exchanges")
        panel = browser.find_element(By.XPATH, "//button[./*[@aria-label='panel_show_right']]")
        browser.execute_script("arguments[0].click()", panel)
        keep(browser, "asset-graph")
