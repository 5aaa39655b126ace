"""Which spreads move a bill: alone, or only together with others."""

from decimal import Decimal

from ragopt.bill.described import describe_by_bytes
from ragopt.bill.price_book import PriceBook
from ragopt.bill.ranged import moving
from ragopt.bill.uncertain_inputs import Inputs, Spread
from ragopt.bill.workload import Workload

WORKLOAD = Workload(1000, metadata_bytes=100, text_bytes_per_chunk=100, prompt_tokens=100)
INPUTS = Inputs(describe_by_bytes(32.0, 0.0, 8, 1000), WORKLOAD, PriceBook([]))
SPREADS = tuple(
    Spread(name, 0.5, 2.0, "a test") for name in ("metadata_bytes", "text_bytes_per_chunk", "prompt_tokens")
)


def names_moving(billed):
    return {spread.name for spread in moving(SPREADS, INPUTS, billed(INPUTS), billed)}


def test_an_input_that_moves_nothing_is_dropped():
    """The bill is the metadata: text and prompts are not in it."""
    assert names_moving(lambda inputs: Decimal(inputs.workload.metadata_bytes)) == {"metadata_bytes"}


def test_an_input_that_moves_the_bill_only_with_another_is_kept():
    """100 + 100 bytes: one doubled, 300, needs a second VM of 250; only both, 400, need one of 350; none one of 450."""

    def vms_of(size):
        return lambda inputs: -(-Decimal(inputs.workload.metadata_bytes + inputs.workload.text_bytes_per_chunk) // size)

    both = {"metadata_bytes", "text_bytes_per_chunk"}
    assert names_moving(vms_of(250)) == both
    assert names_moving(vms_of(350)) == both
    assert names_moving(vms_of(450)) == set()


def test_a_figure_without_a_bill_moves_it():
    """Where an end of an input has no bill at all, that input is one to draw."""
    assert names_moving(lambda inputs: None if inputs.workload.prompt_tokens > 150 else Decimal(1)) == {"prompt_tokens"}
