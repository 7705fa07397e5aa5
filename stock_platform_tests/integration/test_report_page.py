"""The quality page in a real browser: from a file, light and dark, wide and on a phone."""

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


@pytest.fixture
def page(platform: Platform, checked_run) -> Path:
    assert checked_run.success
    assert platform.run("quality_report").success
    return Path(platform.paths.quality_report())


@pytest.fixture
def browser():
    with chromium(1200, 1600) as it:
        yield it


def test_the_page_shows_what_is_wrong_and_fetches_nothing(browser, page):
    browser.get(page.as_uri())
    WebDriverWait(browser, 30).until(
        lambda it: len(it.find_elements(By.CSS_SELECTOR, "#heat .main-svg")) > 0
    )
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "errors" in browser.find_element(By.TAG_NAME, "h1").text
    assert "processed_stock_prices · unit_scale" in text
    assert f"PENCE, {KEYS[EX]}" in text
    assert all(symbol in text for symbol in CHARTS)
    assert [it for it in browser.get_log("browser") if it["level"] == "SEVERE"] == []
    asked = [it["message"] for it in browser.get_log("performance")]
    assert not [it for it in asked if '"Network.requestWillBeSent"' in it and "http" in it]
    keep(browser, "quality-report")

    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    body = browser.find_element(By.TAG_NAME, "body")
    assert body.value_of_css_property("background-color") == "rgba(20, 24, 28, 1)"
    keep(browser, "quality-report-dark")

    phone = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= phone["width"]
    keep(browser, "quality-report-phone")


def test_a_keyboard_reaches_the_links(browser, page):
    browser.get(page.as_uri())
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to open failures"
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert "checkDetail" in str(browser.switch_to.active_element.get_attribute("href"))
