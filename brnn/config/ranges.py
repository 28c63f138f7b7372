"""What the value of a configuration key may be, beyond its type.

A configured function annotates its keyword-only parameters with these names, and `brnn.config`
checks every value against them before TensorFlow is imported. Each is a type, what is allowed in
words, and the test.
"""

import math
import re
from pathlib import Path
from typing import Annotated, Literal

Number = Annotated[float, "a finite number", math.isfinite]
Natural = Annotated[int, "a whole number, 0 or more", lambda n: n >= 0]
Seed = Annotated[
    int, "a whole number from 0 to 2147483647, 2^31 - 1", lambda n: 0 <= n < 2**31
]  # attacks draw from an int32
Count = Annotated[int, "a whole number, 1 or more", lambda n: n >= 1]
Positive = Annotated[float, "a finite number above 0", lambda v: 0 < v < math.inf]
NonNegative = Annotated[float, "a finite number, 0 or more", lambda v: 0 <= v < math.inf]
Share = Annotated[float, "between 0 and 1", lambda v: 0 <= v <= 1]
PositiveShare = Annotated[float, "above 0 and at most 1", lambda v: 0 < v <= 1]
ProperShare = Annotated[float, "at least 0 and below 1", lambda v: 0 <= v < 1]
MetricDirection = Annotated[
    str,
    "max or min and a metric, as in min validation/loss",
    lambda v: v.split()[:-1] in (["max"], ["min"]),
]
Address = Annotated[
    str, "an address as host:port", lambda v: re.fullmatch(r"\S+:\d+", v) is not None
]
Epsilon = Annotated[
    float,
    "above 0 and at most 1, since pixels lie in [0, 1] (8/255 is 0.0314)",
    lambda v: 0 < v <= 1,
]
StoreUri = Annotated[
    str,
    "an MLflow tracking URI, of SQLite sqlite:///file (a store in memory would be lost)",
    lambda v: Path(v.partition("?")[0]).name not in ("", "sqlite:", ":memory:"),
]
ExperimentName = Annotated[
    str, "a text of 1 to 250 characters", lambda v: 1 <= len(v) <= 250
]  # every store accepts them

RunId = Annotated[str, "the id of a run", bool]
Start = Annotated[str, "the id of a run or a file of a net", bool]

WhichEpoch = Literal["last", "best"]
TestKind = Literal["t", "wilcoxon"]
IntervalKind = Literal["t", "bootstrap"]
