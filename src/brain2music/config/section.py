"""What the sections of settings share: a base class, and the lag of responses."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

RESPONSE_S = 20.0
"""Seconds for which the response to a sound goes on after its end."""
DEFAULT_LAG_S = 4.5
"""Seconds: the lag of Brain2Music's follow-up work, 3 TR of 1.5 s."""
LAGS = frozenset({"lag_s", "lag_tr"})

LagTr = Annotated[int, Field(ge=0, le=100)]
LagS = Annotated[float, Field(ge=0, le=30)]


class Section(BaseModel):
    """Settings that belong together: unknown names are refused, and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
