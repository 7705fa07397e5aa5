"""The quality page in a real browser: from a file, light and dark, on a desktop and a phone."""

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from stock_platform_tests.support.browser import chromium, keep
from stock_platform_tests.support.platform_fixture import Platform
from stock_platform_tests.unit.test_market_defects import CHARTS, EX, KEYS, checked_run

pytestmark = pytest.mark.integration
__all__ = ["checked_run"]
PHONE = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture
def page(platform: Platform, checked_run) -> Path:
    assert checked_run.success
    assert platform.run("quality_report").success
    return Path(platform.paths.quality_report())


@pytest.fixture
def browser():
    with chromium(1200, 2650) as driver:
        yield driver


def test_page_works_offline_on_any_screen(browser, page):
    browser.get(page.as_uri())
    WebDriverWait(browser, 30).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, "#sessions .main-svg")
    )
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "errors" in browser.find_element(By.TAG_NAME, "h1").text
    assert "processed_stock_prices · unit_scale" in text
    assert f"PENCE, {KEYS[EX]}" in text
    assert all(symbol in text for symbol in CHARTS)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    messages = [entry["message"] for entry in browser.get_log("performance")]
    requests = [message for message in messages if '"Network.requestWillBeSent"' in message]
    assert not [message for message in requests if "http" in message]
    keep(browser, "quality-report")

    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    body = browser.find_element(By.TAG_NAME, "body")
    assert body.value_of_css_property("background-color") == "rgba(20, 24, 28, 1)"
    keep(browser, "quality-report-dark")

    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    keep(browser, "quality-report-phone")

    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to open failures"
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert "checkDetail" in str(browser.switch_to.active_element.get_attribute("href"))
