"""The dimensions: companies, exchanges, days and trading sessions."""

from typing import Final

from stock_platform.contracts.table import Column, Table

DIM_COMPANY: Final = Table(
    name="dim_company",
    description="Companies as the ERP tells them now.",
    grain="one symbol",
    key=("Symbol",),
    columns=(
        Column("Symbol", "STRING", "Yahoo's symbol of the instrument."),
        Column("CompanyName", "STRING", "Name of the issuer."),
        Column(
            "ExchangeCode",
            "STRING",
            "ISO 10383 MIC of the listing.",
            references="dim_exchange.ExchangeCode",
        ),
        Column("Sector", "STRING", "GICS sector.", nullable=True),
        Column("Country", "STRING", "Country of the issuer.", nullable=True),
        Column("Currency", "STRING", "Currency of the listing, ISO 4217.", nullable=True),
        Column("Isin", "STRING", "ISO 6166 identification number.", nullable=True),
        Column("IsActive", "BOOL", "Whether prices are fetched for it."),
        Column("EffectiveFrom", "DATE", "Since when this state holds, by the ERP."),
        Column("SourceFile", "STRING", "The ERP file that the row comes from."),
        Column("LoadedAt", "TIMESTAMP", "When that file was first read, UTC."),
    ),
)

DIM_EXCHANGE: Final = Table(
    name="dim_exchange",
    description="Stock exchanges as the ERP tells them now.",
    grain="one exchange",
    key=("ExchangeCode",),
    columns=(
        Column("ExchangeCode", "STRING", "ISO 10383 market identifier code (MIC)."),
        Column("ExchangeName", "STRING", "Name of the market."),
        Column("Country", "STRING", "ISO 3166 alpha-2 country.", nullable=True),
        Column("City", "STRING", "Seat of the market.", nullable=True),
        Column("Timezone", "STRING", "IANA time zone of its hours."),
        Column("Currency", "STRING", "In which Yahoo quotes it; may be a minor unit (GBp)."),
        Column("YahooSuffix", "STRING", "What Yahoo appends to its symbols, such as .L."),
        Column(
            "CalendarCode",
            "STRING",
            "Its calendar in exchange_calendars; null where none is known.",
            nullable=True,
        ),
    ),
)

DIM_DATE: Final = Table(
    name="dim_date",
    description="Calendar days, whole years.",
    grain="one day",
    key=("DateKey",),
    columns=(
        Column("DateKey", "INT64", "The day, as yyyymmdd."),
        Column("FullDate", "DATE", "The day."),
        Column("DayOfWeek", "INT64", "ISO 8601: 1 is Monday, 7 is Sunday."),
        Column("DayName", "STRING", "English name of the weekday."),
        Column("Month", "INT64", "1 to 12."),
        Column("MonthName", "STRING", "English name of the month."),
        Column("Quarter", "INT64", "1 to 4."),
        Column("Year", "INT64", "Four digits."),
        Column("IsWeekend", "BOOL", "Saturday or Sunday."),
    ),
)

DIM_TRADING_SESSION: Final = Table(
    name="dim_trading_session",
    description="When each exchange was open, for every exchange with a known calendar.",
    grain="one exchange and session",
    key=("ExchangeCode", "DateKey"),
    columns=(
        Column(
            "ExchangeCode",
            "STRING",
            "ISO 10383 MIC.",
            references="dim_exchange.ExchangeCode",
        ),
        Column("DateKey", "INT64", "The session, as yyyymmdd.", references="dim_date.DateKey"),
        Column("OpenUtc", "TIMESTAMP", "Opening of the regular session, UTC."),
        Column("CloseUtc", "TIMESTAMP", "Close of the regular session, UTC."),
        Column("IsHalfDay", "BOOL", "Whether the exchange closed early."),
        Column("CalendarVersion", "STRING", "The package and version that told it."),
    ),
)
