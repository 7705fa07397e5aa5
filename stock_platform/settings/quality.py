"""Thresholds of the checks, with their defaults. The rules that use them are in `quality.rules`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class QualityLimits(BaseModel):
    """Thresholds of the checks: the variables ``STOCK_PLATFORM_QUALITY__*``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    failed_symbols_share: Share = Field(
        0.2,
        description="A greater share of failed symbols in a session, but at least five or all, is "
        "an outage of the source.",
    )
    quarantined_share: Share = Field(
        0.05,
        description="A session with a greater share of quarantined records is wrong as a whole.",
    )
    due_after_close_hours: float = Field(
        12, gt=0, description="Hours after the end of a session when its prices are due."
    )
    due_within_days: int = Field(
        30, ge=1, description="Days back in which sessions without prices are searched."
    )
    median_sessions: int = Field(
        20, ge=1, description="Sessions before a bar whose median is its price level."
    )
    unit_ratio: float = Field(
        50,
        gt=1,
        lt=100,
        description="Prices from N to 10,000/N times the level are in another unit.",
    )
    move_share: float = Field(
        0.4, gt=0, description="A greater change between two closes needs a corporate action."
    )
    split_sessions: int = Field(
        20,
        ge=1,
        description="Sessions around a split in which its ratio is searched in the prices.",
    )
    stale_sessions: int = Field(
        5, ge=1, description="This many sessions of one flat price without volume are stale."
    )
    payout_share: Share = Field(
        0.1, description="A payout above this share of the price must be visible in the price."
    )
    payout_sessions: int = Field(
        5, ge=1, description="The same payout again within this many sessions is a phantom."
    )
    adjusted_close_gap: float = Field(
        0.0005, gt=0, description="Daily returns that differ by more than this are a warning."
    )
    adjusted_close_error_gap: float = Field(
        0.05, gt=0, description="Daily returns that differ by more than this are an error."
    )
