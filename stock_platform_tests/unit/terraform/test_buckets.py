"""Every bucket's lifecycle is the README's."""

from stock_platform_tests.support.terraform_code import BOOTSTRAP, local, resources, table

BUCKETS = local("storage.tf")["buckets"]


def sentence(rule):
    if rule["type"] == "SetStorageClass":
        return f"{rule['storage_class']} after {rule['age']} days"
    if "version_age" in rule:
        return f"old versions deleted after {rule['version_age']} days"
    what = f"`{rule['prefix']}` " if "prefix" in rule else ""
    return f"{what}deleted after {rule['age']} days"


def test_every_bucket_has_the_lifecycle_of_the_readme():
    rows = {bucket: (rules, days) for bucket, _, rules, days in table("Buckets")}
    state = rows.pop("`state`")
    assert rows == {
        f"`{name}`": (
            ", ".join(sentence(rule) for rule in it["lifecycle"]),
            f"{it['soft_delete_days']} days",
        )
        for name, it in BUCKETS.items()
    }
    (bucket,) = [it.body for it in resources(BOOTSTRAP) if it.type == "google_storage_bucket"]
    (rule,) = bucket["lifecycle_rule"]
    (condition,) = rule["condition"]
    assert (condition["num_newer_versions"], condition["days_since_noncurrent_time"]) == (10, 90)
    assert state == ("all but ten old versions deleted after 90 days", "30 days")


def test_a_rule_asks_for_something_that_exists():
    for bucket in BUCKETS.values():
        for rule in bucket["lifecycle"]:
            assert rule["type"] in {"SetStorageClass", "Delete"}
            assert ("age" in rule) != ("version_age" in rule)
            assert (rule["type"] == "SetStorageClass") == ("storage_class" in rule)
            assert rule.get("storage_class", "COLDLINE") in {"NEARLINE", "COLDLINE", "ARCHIVE"}


def test_the_lakes_layers_each_have_their_bucket():
    assert set(BUCKETS) == {"raw", "processed", "code", "logs"}
    assert {name for name, it in BUCKETS.items() if it["lake"]} == {"raw", "processed"}
