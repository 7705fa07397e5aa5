"""Headless Chromium and its screenshots."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver

from stock_platform_tests.support.apt import need

_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextmanager
def chromium(width_px: int, height_px: int) -> Iterator[webdriver.Chrome]:
    """A browser that logs the console and requests of its pages; see `need` if it is missing."""
    program, driver_program = need("chromium", "chromium"), need("chromedriver", "chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, f"--window-size={width_px},{height_px}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_program))
    try:
        yield driver
    finally:
        driver.quit()


def keep(browser: webdriver.Chrome, name: str) -> None:
    """Save a screenshot in the folder SCREENSHOTS, such as docs/images."""
    if folder := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))
