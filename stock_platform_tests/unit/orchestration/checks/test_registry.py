"""The registry is complete, and its checks have readable descriptions."""

from stock_platform.orchestration.checks.registry import REGISTRY


def test_every_check_has_a_measurement():
    for asset, measurements in REGISTRY.items():
        scopes = {check.scope for check in measurements.checks}
        assert (measurements.whole is not None) == ("asset" in scopes), asset
        assert (measurements.sessions is not None) == bool(scopes - {"asset"}), asset


def test_descriptions_name_thresholds_as_environment_variables(platform):
    own = platform.defs.resolve_assets_def("processed_stock_prices")
    definitions = [own, *platform.defs.asset_checks]
    specs = [spec for definition in definitions for spec in definition.check_specs]
    assert len(specs) == sum(len(measurements.checks) for measurements in REGISTRY.values())
    descriptions = {spec.name: spec.description for spec in specs}
    assert "\n    " not in "".join(descriptions.values())
    assert "STOCK_PLATFORM_QUALITY__UNIT_RATIO" in descriptions["unit_scale"]
