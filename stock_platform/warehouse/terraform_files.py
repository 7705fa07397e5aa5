"""Terraform's schema files of the BigQuery tables, generated from the contracts.

Their content is what `contract_table` sends to BigQuery's API, so Terraform and the platform
create equal tables. To write them: ``python -m stock_platform.warehouse.terraform_files``.

`<table>.json` contains the fields of a table, `<view>.sql` the query of a view, and `tables.json`
everything else. Project and dataset are variables of Terraform's `templatefile`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from google.cloud import bigquery

from stock_platform.contracts import TABLES, Table
from stock_platform.warehouse.bigquery_tables import contract_table

TERRAFORM_SCHEMAS: Final = Path(__file__).resolve().parents[2] / "terraform" / "schemas"

_DATASET: Final = bigquery.DatasetReference("${project}", "${dataset}")


def terraform_files() -> dict[str, str]:
    """Return the content of each file by name."""
    files = {"tables.json": _json({table.name: _layout(table) for table in TABLES.values()})}
    for table in TABLES.values():
        sent = contract_table(_DATASET, table, {}).to_api_repr()
        if table.view:
            files[f"{table.name}.sql"] = sent["view"]["query"] + "\n"
        else:
            files[f"{table.name}.json"] = _json(sent["schema"]["fields"])
    return files


def write_terraform_files(folder: Path) -> None:
    """Write all files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in terraform_files().items():
        (folder / name).write_text(content)


def _layout(table: Table) -> dict[str, Any]:
    sent = contract_table(_DATASET, table, {}).to_api_repr()
    excluded = ("tableReference", "labels", "schema", "view")
    layout = {name: value for name, value in sent.items() if name not in excluded}
    return {"kind": "view" if table.view else "table", "rank": _rank(table), **layout}


def _rank(table: Table) -> int:
    """Return the depth of foreign keys: BigQuery needs the referenced table first."""
    return max((1 + _rank(target) for target in _referenced(table)), default=0)


def _referenced(table: Table) -> Iterator[Table]:
    for column in table.columns:
        if column.references and not table.view:
            yield TABLES[column.references.split(".")[0]]


def _json(content: object) -> str:
    return json.dumps(content, indent=2) + "\n"


if __name__ == "__main__":
    write_terraform_files(TERRAFORM_SCHEMAS)
