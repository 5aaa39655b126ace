"""Every field of a workload: where it stands in the file, its unit, its default with the reason, and its bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from ragopt.errors import InputError

Value = int | Decimal | str | None


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        name: in `Workload`, in the file and in JSON.
        section: table of the file that it stands in.
        unit: what the figure counts; the kind of text where it is none.
        default: taken where nobody says otherwise; REQUIRED where only the corpus or the user can say.
        reason: why that default.
        low, high: bounds, both allowed; None for text. A whole number unless they are Decimal.
        choices: the only texts allowed; empty where any is.
        option: the command-line option that sets it; empty where only the file or `--set` does.
        example: what the commented file shows where there is no default.
    """

    name: str
    section: str
    unit: str
    default: Value
    reason: str
    low: int | Decimal | None = None
    high: int | Decimal | None = None
    choices: tuple[str, ...] = ()
    option: str = ""
    example: Value = None

    @property
    def label(self) -> str:
        """The name that messages use: the option where there is one, else the place in the file."""
        return self.option or f"{self.section}.{self.name}"


REQUIRED = -1
"""Stands for no default: `n_vectors` is the corpus's own size, or is given."""

# Ten times the largest public vector collections (about 10^11): more is a slip of the keyboard.
MOST_VECTORS = 10**12
# 10^12 a month is 380,000 a second, more than any one retrieval service is known to answer.
MOST_QUERIES = 10**12
# The longest context that a model in the token price list takes is 10 million tokens; a longer prompt is a slip.
MOST_TOKENS = 10**7
# Vendors cap metadata at 40 KB a vector (Pinecone, S3 Vectors); a megabyte is past every one of them.
MOST_BYTES_PER_VECTOR = 10**6
# An exabyte of source documents.
MOST_DOCUMENT_BYTES = 10**18

_SHARE = (Decimal(0), Decimal(1))

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        field.name: field
        for field in (
            Field("n_vectors", "corpus", "vectors", REQUIRED, "the corpus's own size: the only one that was measured",
                  1, MOST_VECTORS, option="--vectors-at-scale", example=10_000_000),
            Field("growth_vectors_per_month", "corpus", "vectors added per month", 0,
                  "no growth is billed that was not stated", 0, MOST_VECTORS),
            Field("horizon_months", "corpus", "months", 12,
                  "one year, the usual budget; what is paid once is spread over it", 1, 120),
            Field("tokens_per_chunk", "corpus", "tokens", 256,
                  "the most that ragopt's own chunks have; measured where there is a corpus", 1, MOST_TOKENS),
            Field("text_bytes_per_chunk", "corpus", "bytes of chunk text", 1024,
                  "256 tokens of 4 bytes, English text; measured where there is a corpus", 0, 10**9),
            Field("metadata_bytes", "corpus", "bytes per vector stored beside it", 0,
                  "none is billed that was not stated; measured where there is a corpus: document id and title",
                  0, MOST_BYTES_PER_VECTOR, option="--metadata-bytes"),
            Field("key_bytes", "corpus", "bytes of a vector's key", 0,
                  "vendors count ids with the metadata; measured where there is a corpus", 0, 10**4),
            Field("filterable_share", "corpus", "share of the metadata that queries may filter by", Decimal(1),
                  "all of it: the upper bound where a vendor bills what a query goes through", *_SHARE),
            Field("namespaces", "corpus", "equal parts that a query searches one of", 1,
                  "one: each query searches every vector", 1, 10**9),
            Field("queries_per_month", "queries", "queries in 730 hours", 1_000_000,
                  "a mid-sized internal service, 0.4 a second; vendors' own examples use it", 0, MOST_QUERIES,
                  option="--queries-per-month"),
            # A peak of one query in 1,000 s still needs one VM; a million a second covers the bound above.
            Field("peak_qps", "queries", "queries per second in the busiest minute", Decimal(10),
                  "26 times the default average: office hours and bursts", Decimal("0.001"), Decimal(10**6),
                  option="--peak-qps"),
            Field("k", "queries", "chunks returned per query", 10, "the k of every quality figure", 1, 10_000),
            Field("query_tokens", "queries", "tokens in a question", 20,
                  "an assumption: one sentence", 1, MOST_TOKENS),
            Field("p99_limit_ms", "queries", "milliseconds of p99 search latency", None, "no limit",
                  Decimal("0.01"), Decimal(10**7), example=100),
            Field("reindexes_per_month", "writes", "full re-index writes per month", Decimal(0),
                  "none is billed that was not stated", Decimal(0), Decimal(1000)),
            Field("reembeddings_per_month", "writes", "times a month that every chunk is embedded anew", Decimal(0),
                  "none is billed that was not stated; each brings a re-index", Decimal(0), Decimal(1000)),
            Field("write_path", "writes", "how a whole index is loaded", "bulk",
                  "the cheaper one where a vendor sells both", choices=("bulk", "upsert")),
            Field("vectors_per_write", "writes", "vectors in one write request", 100,
                  "the batch size of vendors' own quick starts; one a request can cost 20 times as much", 1, 10_000),
            # Replicas are for availability; capacity is sized by peak_qps. One per zone of the largest region is 6.
            Field("n_replicas", "service", "complete copies", 1, "no redundancy is billed that was not asked for",
                  1, 100, option="--replicas"),
            Field("n_zones", "service", "zones that the replicas lie in", 1, "one: no traffic between zones", 1, 10),
            Field("provider", "service", "whose prices", "aws", "the provider that the price book is most complete for",
                  option="--provider"),
            Field("region", "service", "where, in the provider's spelling", "us-east-1",
                  "list prices are lowest and best dated there", option="--region"),
            Field("commitment", "service", "how VMs are paid", "on-demand", "no contract is assumed",
                  choices=("on-demand", "1-year")),
            Field("embedding_model", "embedding", "model as PROVIDER:NAME in the token prices, or self", "",
                  "the model of the run; without one, no embedding is billed", option="--embedding-model"),
            Field("embedding_batch_share", "embedding", "share of corpus tokens sent through a batch API", Decimal(0),
                  "the standard price", *_SHARE),
            Field("embedding_vm", "embedding", "VM type that embeds, with embedding_model = self", "",
                  "none: a self-hosted model is billed only with a type and its measured speed"),
            Field("embedding_tokens_per_second", "embedding", "tokens per second, measured on embedding_vm",
                  None, "speeds are measured, never assumed", Decimal("0.001"), Decimal(10**9), example=4000),
            Field("reranker", "reranking", "reranker as PROVIDER:NAME in the price book", "", "none"),
            Field("rerank_candidates", "reranking", "chunks that a search reranks", 50,
                  "five for each of the ten that are kept", 1, 10_000),
            Field("generator", "generation", "model as PROVIDER:NAME in the token prices, or self", "",
                  "none: retrieval alone is billed"),
            Field("prompt_tokens", "generation", "tokens of instructions around the chunks", 500,
                  "an assumption: a page of instructions", 0, MOST_TOKENS),
            Field("answer_tokens", "generation", "tokens of an answer", 300, "an assumption: two paragraphs",
                  0, MOST_TOKENS),
            Field("cached_prompt_share", "generation", "share of prompt_tokens read from a provider's prompt cache",
                  Decimal(0), "the full price", *_SHARE),
            Field("generation_batch_share", "generation", "share of answers made through a batch API", Decimal(0),
                  "users wait for answers", *_SHARE),
            Field("generator_vm", "generation", "VM type that generates, with generator = self", "", "none"),
            Field("generator_tokens_per_second", "generation", "tokens per second, in and out, as measured on it",
                  None, "speeds are measured, never assumed", Decimal("0.001"), Decimal(10**9), example=4000),
            Field("document_bytes", "archive", "bytes of source documents kept", 0,
                  "none is billed that was not stated",
                  0, MOST_DOCUMENT_BYTES),
            Field("document_reads_per_month", "archive", "times a month that all of it is read", Decimal(0),
                  "never: an archive", Decimal(0), Decimal(1000)),
            Field("document_object_bytes", "archive", "bytes of one stored object", 1_000_000,
                  "a megabyte: requests and minimum sizes are billed by the object", 1, 10**13),
            Field("keep_raw_vectors", "archive", "whether float32 vectors are kept to re-index from", "no",
                  "the index itself is kept; raw vectors spare a re-embedding", choices=("yes", "no")),
            Field("raw_vector_reads_per_month", "archive", "times a month that all raw vectors are read", Decimal(0),
                  "never: reindexes_per_month is added to it", Decimal(0), Decimal(1000)),
            Field("most_retrieval_hours", "archive", "hours that a read may wait for", Decimal(0),
                  "none: only tiers that answer at once", Decimal(0), Decimal(168)),
            Field("storage_tier", "archive", "tier of documents and raw vectors, or cheapest", "cheapest",
                  "the cheapest that answers in time"),
            Field("internet_egress_share", "egress", "share of returned chunk text that leaves for the internet",
                  Decimal(0), "the service runs beside its caller", *_SHARE),
        )
    }
)  # fmt: skip


def check_value(field: Field, value: object, label: str = "") -> None:
    """Make sure that a value is of the field's kind and within its bounds.

    Args:
        field: what it is for.
        value: what was given.
        label: how the message names it; the field's own label unless given.

    Raises:
        InputError: naming the label, the value and what is allowed.
    """
    label = label or field.label
    if value is None and field.default is None:
        return
    if field.low is None or field.high is None:
        _check_text(field, value, label)
        return
    whole = isinstance(field.low, int)
    is_number = isinstance(value, (int,) if whole else (int, Decimal)) and not isinstance(value, bool)
    if is_number and Decimal(value).is_finite() and field.low <= value <= field.high:  # type: ignore[arg-type,operator]
        return
    kind = "a whole number" if whole else "a decimal number"
    raise InputError(
        f"{label} is {_shown(value)}",
        allowed=f"{kind} from {field.low:,} to {field.high:,} ({field.unit})",
        next_step=f"Give {label} a value in that range",
    )


def _check_text(field: Field, value: object, label: str) -> None:
    if field.choices:
        allowed, fits = ", ".join(field.choices), value in field.choices
    elif field.name in ("provider", "region"):
        allowed = "lower-case letters, digits and hyphens, as the provider writes it"
        fits = isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]*", value) is not None
    else:
        allowed, fits = field.unit, isinstance(value, str) and value == value.strip()
    if not fits:
        example = f", to {field.default!r} for example" if field.default else ""
        raise InputError(f"{label} is {_shown(value)}", allowed=allowed, next_step=f"Correct it{example}")


def _shown(value: object) -> str:
    """A value as a message repeats it: short, whatever was given."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return "a whole number of more than 60 digits"  # Python refuses to print thousands
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}... ({len(text)} characters)"


MOST_BITS = 200
MOST_SHOWN = 60
"""Characters of a wrong value that a message repeats."""
