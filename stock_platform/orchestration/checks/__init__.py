"""Asset checks: the registry, and how its entries become checks of Dagster."""
