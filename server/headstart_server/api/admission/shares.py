"""Shares what a server has, places among its calls or memory, among namespaces.

A namespace takes more as long as it holds at most four times what is free (dynamic thresholds, Choudhury and Hahne
1998). One alone may hold four fifths; of several that want all, each gets the same, and some is left for newcomers.
"""

from __future__ import annotations

_FACTOR = 4


class Shares:
    """Shares of a resource by namespace. Belongs to one event loop. Unless ``fair``, one namespace may take
    everything.
    """

    def __init__(self, most: int, fair: bool) -> None:
        self.most = most
        self._fair = fair
        self._free = most
        self._taken: dict[str, int] = {}

    def take(self, namespace: str, amount: int = 1) -> bool:
        """Whether the namespace gets ``amount``, which it then holds. More than the whole is granted while all is
        free.
        """
        amount = min(amount, self.most)
        current = self._taken.get(namespace, 0)
        if amount > self._free or (self._fair and current and current + amount > _FACTOR * self._free):
            return False
        self._free -= amount
        self._taken[namespace] = current + amount
        return True

    def free(self, namespace: str, amount: int = 1) -> None:
        amount = min(amount, self.most)
        self._free += amount
        self._taken[namespace] -= amount
        if not self._taken[namespace]:
            del self._taken[namespace]
