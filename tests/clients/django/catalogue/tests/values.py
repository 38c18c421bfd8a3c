"""Things that a test puts into the cache; module-level, so that pickle finds the class again."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Basket:
    owner: str
    items: tuple
    total: float
