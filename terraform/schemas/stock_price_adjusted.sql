/* Prices of fact_stock_price adjusted for what fact_corporate_action knows. */
/* SplitFactor of a session: the product of the ratios of the splits that went ex after it. */
/* PayoutFactor of a session: the product of (1 - cash / close before) over the later ex-dates with */
/* cash, both split-adjusted; the convention of Yahoo's adjusted close and of CRSP's backward */
/* adjustment. A total-return price is the split-adjusted price times PayoutFactor. The close before */
/* is the last one in the fact before the ex-date; cash with none before it changes nothing, because */
/* there is no earlier row. Cash in another currency than the price's is left out: what it was worth */
/* is not known here. Pounds and pence, rand and cents, shekels and agorot are one currency. */
/* Yahoo lists some capital gains a second time within the dividend of the same day. A gain that is */
/* not greater than the dividend is part of it if the price opened nearer to the close before minus */
/* the dividend than minus both. */
/* Logarithms are added up as integers of 1e-16: a sum of floats depends on its order, which no */
/* engine promises, and the same facts must say the same each time. */
/* BigQuery reads no fact without a condition on TradeDate; this one holds for every row. */
WITH prices AS (
  SELECT
    *
  FROM `${project}`.`${dataset}`.fact_stock_price
  WHERE
    TradeDate >= '1900-01-01'
), actions AS (
  SELECT
    *
  FROM `${project}`.`${dataset}`.fact_corporate_action
  WHERE
    TradeDate >= '1900-01-01'
), splits AS (
  SELECT
    SecurityId,
    TradeDate AS ExDate,
    CAST(ROUND(LN(Value) * 1e16) AS INT64) AS LogRatio
  FROM actions
  WHERE
    ActionType = 'split'
), split_adjusted AS (
  SELECT
    price.DateKey,
    price.SecurityId,
    EXP(COALESCE(SUM(splits.LogRatio), 0) / 1e16) AS SplitFactor
  FROM prices AS price
  LEFT JOIN splits
    ON splits.SecurityId = price.SecurityId AND splits.ExDate > price.TradeDate
  GROUP BY
    price.DateKey,
    price.SecurityId
), minor_units AS (
  SELECT
    'GBp' AS Currency,
    'GBP' AS Major
  UNION ALL
  SELECT
    'ZAc',
    'ZAR'
  UNION ALL
  SELECT
    'ILA',
    'ILS'
), cash AS (
  SELECT
    action.SecurityId,
    action.TradeDate AS ExDate,
    COALESCE(unit.Major, action.Currency) AS Currency,
    SUM(
      IF(action.ActionType = 'dividend', action.Value / IF(unit.Major IS NULL, 1, 100), 0)
    ) AS Dividend,
    SUM(
      IF(action.ActionType = 'capital_gain', action.Value / IF(unit.Major IS NULL, 1, 100), 0)
    ) AS Gain
  FROM actions AS action
  LEFT JOIN minor_units AS unit
    ON unit.Currency = action.Currency
  WHERE
    action.ActionType IN ('dividend', 'capital_gain')
  GROUP BY
    action.SecurityId,
    action.TradeDate,
    COALESCE(unit.Major, action.Currency)
), day_before AS (
  SELECT
    cash.SecurityId,
    cash.ExDate,
    cash.Currency,
    cash.Dividend,
    cash.Gain,
    MAX(price.TradeDate) AS TradeDate
  FROM cash
  INNER JOIN prices AS price
    ON price.SecurityId = cash.SecurityId AND price.TradeDate < cash.ExDate
  GROUP BY
    cash.SecurityId,
    cash.ExDate,
    cash.Currency,
    cash.Dividend,
    cash.Gain
), payout_prices /* Closes and opens in the major unit. Cash is a share of the ex-date, the close a share of the day */ /* before: a split on the ex-date itself lies between them. */ AS (
  SELECT
    day_before.SecurityId,
    day_before.ExDate,
    day_before.Dividend,
    day_before.Gain,
    price.Close / IF(unit.Major IS NULL, 1, 100) AS CloseBefore,
    ex_price.Open / IF(unit.Major IS NULL, 1, 100) AS OpenAfter,
    EXP(COALESCE(splits.LogRatio, 0) / 1e16) AS Ratio
  FROM day_before
  INNER JOIN prices AS price
    ON price.SecurityId = day_before.SecurityId
    AND price.TradeDate = day_before.TradeDate
  LEFT JOIN minor_units AS unit
    ON unit.Currency = price.Currency
  LEFT JOIN prices AS ex_price
    ON ex_price.SecurityId = day_before.SecurityId
    AND ex_price.TradeDate = day_before.ExDate
  LEFT JOIN splits
    ON splits.SecurityId = day_before.SecurityId AND splits.ExDate = day_before.ExDate
  WHERE
    COALESCE(unit.Major, price.Currency) = day_before.Currency
), payout_cash AS (
  SELECT
    SecurityId,
    ExDate,
    CloseBefore,
    Ratio,
    IF(
      Gain <= Dividend
      AND ABS(CloseBefore / Ratio - OpenAfter - Dividend) < ABS(CloseBefore / Ratio - OpenAfter - Dividend - Gain),
      Dividend,
      Dividend + Gain
    ) AS Cash
  FROM payout_prices
), payouts AS (
  SELECT
    SecurityId,
    ExDate,
    CAST(ROUND(LN(1 - Cash * Ratio / CloseBefore) * 1e16) AS INT64) AS LogFactor
  FROM payout_cash
  WHERE
    Cash * Ratio < CloseBefore
), total_return AS (
  SELECT
    price.DateKey,
    price.SecurityId,
    EXP(COALESCE(SUM(payouts.LogFactor), 0) / 1e16) AS PayoutFactor
  FROM prices AS price
  LEFT JOIN payouts
    ON payouts.SecurityId = price.SecurityId AND payouts.ExDate > price.TradeDate
  GROUP BY
    price.DateKey,
    price.SecurityId
)
SELECT
  price.DateKey,
  price.TradeDate,
  price.SecurityId,
  price.Ticker,
  price.ExchangeCode,
  split_adjusted.SplitFactor,
  price.Open / split_adjusted.SplitFactor AS SplitAdjustedOpen,
  price.High / split_adjusted.SplitFactor AS SplitAdjustedHigh,
  price.Low / split_adjusted.SplitFactor AS SplitAdjustedLow,
  price.Close / split_adjusted.SplitFactor AS SplitAdjustedClose,
  price.Volume * split_adjusted.SplitFactor AS SplitAdjustedVolume,
  price.Open / split_adjusted.SplitFactor * total_return.PayoutFactor AS TotalReturnOpen,
  price.High / split_adjusted.SplitFactor * total_return.PayoutFactor AS TotalReturnHigh,
  price.Low / split_adjusted.SplitFactor * total_return.PayoutFactor AS TotalReturnLow,
  price.Close / split_adjusted.SplitFactor * total_return.PayoutFactor AS TotalReturnClose,
  price.Currency
FROM prices AS price
INNER JOIN split_adjusted
  ON split_adjusted.DateKey = price.DateKey
  AND split_adjusted.SecurityId = price.SecurityId
INNER JOIN total_return
  ON total_return.DateKey = price.DateKey
  AND total_return.SecurityId = price.SecurityId
