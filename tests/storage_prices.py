"""A price book of object storage for tests: list prices, some of them only of a likely size."""

from decimal import Decimal

from ragopt.bill.price_book import Price, PriceBook

GIB = 2**30
TIB = 2**40
MIB = 2**20

STORAGE = {
    "aws": {
        "s3-standard": "0.023", "s3-standard-ia": "0.0125", "s3-one-zone-ia": "0.01", "s3-glacier-instant": "0.004",
        "s3-glacier-flexible": "0.0036", "s3-deep-archive": "0.00099",
    },
    "gcp": {"gcs-standard": "0.020", "gcs-nearline": "0.010", "gcs-coldline": "0.004", "gcs-archive": "0.0012"},
    "azure": {"azure-hot": "0.0208", "azure-cool": "0.0152", "azure-cold": "0.0036", "azure-archive": "0.002"},
    "cloudflare": {"r2-standard": "0.015", "r2-infrequent": "0.01"},
}  # fmt: skip

REQUESTS = {
    "s3-standard-put": "0.005", "s3-standard-get": "0.0004", "s3-standard-ia-put": "0.01",
    "s3-standard-ia-get": "0.001", "s3-one-zone-ia-put": "0.01", "s3-one-zone-ia-get": "0.001",
    "s3-glacier-instant-put": "0.02", "s3-glacier-instant-get": "0.01", "s3-glacier-flexible-put": "0.03",
    "s3-glacier-flexible-get": "0.0504", "s3-glacier-flexible-get-expedited": "10.0004", "s3-deep-archive-put": "0.05",
    "s3-deep-archive-get": "0.1004", "s3-deep-archive-get-bulk": "0.0254",
    "gcs-standard-put": "0.005", "gcs-standard-get": "0.0004", "gcs-nearline-put": "0.01", "gcs-nearline-get": "0.001",
    "gcs-coldline-put": "0.02", "gcs-coldline-get": "0.01", "gcs-archive-put": "0.05", "gcs-archive-get": "0.05",
    "azure-hot-put": "0.0055", "azure-hot-get": "0.00044", "azure-cool-put": "0.01", "azure-cool-get": "0.001",
    "azure-cold-put": "0.018", "azure-cold-get": "0.01", "azure-archive-put": "0.011", "azure-archive-get": "0.55",
    "r2-standard-put": "0.0045", "r2-standard-get": "0.00036", "r2-infrequent-put": "0.009",
    "r2-infrequent-get": "0.0009",
}  # fmt: skip

RETRIEVAL = {
    "s3-standard-ia-retrieval": "0.01", "s3-one-zone-ia-retrieval": "0.01", "s3-glacier-instant-retrieval": "0.03",
    "s3-glacier-flexible-retrieval": "0.01", "s3-glacier-flexible-retrieval-expedited": "0.03",
    "s3-deep-archive-retrieval": "0.02", "s3-deep-archive-retrieval-bulk": "0.0025",
    "gcs-nearline-retrieval": "0.01", "gcs-coldline-retrieval": "0.02", "gcs-archive-retrieval": "0.05",
    "azure-cool-retrieval": "0.01", "azure-cold-retrieval": "0.03", "azure-archive-retrieval": "0.02",
    "r2-infrequent-retrieval": "0.01",
}  # fmt: skip

PLACES = {"s3": ("aws", "us-east-1"), "gcs": ("gcp", "us-central1"), "azure": ("azure", "eastus"),
          "r2": ("cloudflare", "global")}  # fmt: skip


def a_price(item, usd, unit, group="object_storage", place=None, **attributes):
    """One price, at the place that its item's name tells."""
    provider, region = place or PLACES[item.split("-")[0]]
    sizes = {name: Decimal(value) for name, value in attributes.items()}
    return Price(provider, region, group, item, unit, Decimal(usd), "2026-07-10", "https://example.org/prices", sizes)


def bytes_of(item):
    """R2 bills 10^9 bytes a GB, the others 2^30."""
    return 10**9 if item.startswith("r2") else GIB


def storage_prices(factor=1):
    """Every price of object storage, times a factor."""
    prices = [
        a_price(f"{tier}-storage", Decimal(usd) * factor, "GB-month", bytes_per_unit=bytes_of(tier))
        for tiers in STORAGE.values()
        for tier, usd in tiers.items()
    ]
    prices += [a_price(item, Decimal(usd) * factor, "1k requests") for item, usd in REQUESTS.items()]
    prices += [
        a_price(item, Decimal(usd) * factor, "GB", bytes_per_unit=bytes_of(item)) for item, usd in RETRIEVAL.items()
    ]
    egress = Decimal("0.09") * factor
    prices.append(a_price("internet-egress", egress, "GB", "network", PLACES["s3"], bytes_per_unit=GIB))
    return prices


def storage_book(*, without=(), factor=1):
    """A book of them, without some items."""
    return PriceBook(price for price in storage_prices(factor) if price.item not in without)
