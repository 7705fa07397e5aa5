"""The thresholds of the checks, with their defaults.

Belongs here: numbers that a deployment may want otherwise. What they are compared with is in
`quality.rules`; where they are read from is `settings`.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class QualityLimits(BaseModel):
    """What the checks take for too much; each is ``STOCK_PLATFORM_QUALITY__`` and its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    failed_symbols_share: Share = Field(
        0.2, description="Above it a session's failed symbols are an outage of the source."
    )
    quarantined_share: Share = Field(
        0.05, description="Above it a session's quarantined lines make it wrong as a whole."
    )
    due_after_close_hours: float = Field(
        12, gt=0, description="When a session's prices are due, counted from its end."
    )
    due_within_days: int = Field(
        30, ge=1, description="How far back sessions without prices are looked for."
    )
    median_sessions: int = Field(
        20, ge=1, description="Sessions before a bar that its price level is compared with."
    )
    unit_ratio: float = Field(
        50, gt=1, lt=100, description="So many times the level, up to 10,000 / it, is another unit."
    )
    move_share: float = Field(
        0.4, gt=0, description="A close to close move beyond it needs a corporate action."
    )
    split_sessions: int = Field(
        20, ge=1, description="How far from a split its ratio in the prices is looked for."
    )
    stale_sessions: int = Field(
        5, ge=1, description="So many sessions of one flat price without volume are stale."
    )
    payout_share: Share = Field(
        0.1, description="A payout above this share of the price must be seen in the price."
    )
    payout_sessions: int = Field(
        5, ge=1, description="The same payout again within so many sessions is a phantom."
    )
    adjusted_close_gap: float = Field(
        0.0005, gt=0, description="Day returns that differ by more than this disagree."
    )
    adjusted_close_error_gap: float = Field(
        0.05, gt=0, description="And above this gap they are an error, not a warning."
    )
