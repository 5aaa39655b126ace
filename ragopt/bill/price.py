"""One dated unit price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import resources
from types import MappingProxyType

from ragopt.errors import PriceError

PRICES_FOLDER = "ragopt/bill/prices"
VENDORS_FOLDER = "ragopt/bill/vendors"


@dataclass(frozen=True, slots=True)
class Price:
    """One dated unit price.

    Attributes:
        provider: who sells it, `aws` for example.
        region: where, in the provider's spelling.
        group: which file it is in: `vms`, `block_storage`, `object_storage`, or a vendor's name.
        item: its name inside the group, `r7g.large` for example.
        unit: what one of it is: `hour`, `GB-month`.
        usd: USD per unit.
        as_of: the day on which the price was true, YYYY-MM-DD.
        source: where it was read.
        attributes: sizes that belong to it: `vcpu`, `ram_gib`, `bytes_per_unit`, `included_iops`.
        caution: why the figure deserves a second look (an undated copy, an estimate); empty when it does not.
        undated: whether the page carries no date, so that `as_of` is the day of reading it.
        file: the user's own file that it stands in, as messages name it; empty for a price of the package.
    """

    provider: str
    region: str
    group: str
    item: str
    unit: str
    usd: Decimal
    as_of: str
    source: str
    attributes: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    caution: str = ""
    undated: bool = False
    file: str = field(default="", compare=False)

    def times(self, factor: Decimal) -> Price:
        """Return the same price times a factor."""
        # Not dataclasses.replace, which takes three times as long: every draw of a range scales every VM type.
        return Price(self.provider, self.region, self.group, self.item, self.unit, self.usd * factor, self.as_of,
                     self.source, self.attributes, self.caution, self.undated, self.file)  # fmt: skip

    def attribute(self, name: str) -> Decimal:
        """Return a size that belongs to this price. Raises PriceError when the file does not have it."""
        if name not in self.attributes:
            raise PriceError(
                f"The price of {self.provider} {self.region} {self.item} has no attribute {name!r}",
                next_step=f"Fill attributes.{name} of item {self.item!r} in {self.shown_file}",
            )
        return self.attributes[name]

    @property
    def shown_file(self) -> str:
        """The file that this price stands in, as messages name it."""
        return self.file or file_of(self.group)


def file_of(group: str) -> str:
    """Where the prices of a group are, as messages name it: a vendor's lie beside the rules of its bill."""
    is_vendor = (resources.files("ragopt.bill") / "vendors" / f"{group}.toml").is_file()
    return f"{VENDORS_FOLDER if is_vendor else PRICES_FOLDER}/{group}.toml"
