"""How many VMs of a type one replica needs, by RAM and by CPU."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from ragopt.units import GIB

if TYPE_CHECKING:
    from ragopt.bill.footprint import Demand
    from ragopt.bill.price import Price

USABLE_RAM_SHARE = Decimal("0.925")
"""Share of a VM's advertised RAM that its Linux sees: Karpenter's default for EC2, VM_MEMORY_OVERHEAD_PERCENT = 0.075
(github.com/aws/karpenter-provider-aws, website/content/en/docs/reference/settings.md, read 2026-11-23)."""

SYSTEM_RAM_BYTES = 1 * GIB
"""Operating system, serving process and query buffers on each VM. An assumption: not measured, meant to be ample."""

RAM_OVERHEAD = Decimal("1.10")
"""RAM held per index byte. Opening an index takes 1.00 of its file (eval/results/2026-11-23-scan-cost.json, `ram`);
the other tenth is head-room for allocator slack and additions between rebuilds: an assumption."""

CPU_UTILISATION = Decimal("0.60")
"""Share of the vCPUs that the peak may keep busy; the rest keeps queues short. An assumption: with one queue for all
cores, waiting grows as 1 / (1 - utilisation), 2.5 service times here against 10 at 90 %."""

MANY_VMS = 8
"""VMs of one replica beyond which a bill says what a query waits for. An assumption: where every hundredth answer of a
VM is slow, the slowest of 8 is slow for 8 queries in a hundred (1 - 0.99^8)."""


def usable_ram_bytes(instance: Price) -> Decimal:
    """Bytes of RAM that index bytes (with their overhead) may fill on one VM of this type; may be negative."""
    return instance.attribute("ram_gib") * GIB * USABLE_RAM_SHARE - SYSTEM_RAM_BYTES


def count_vms(demand: Demand, instance: Price) -> int | None:
    """Return the fewest VMs of one type that serve one replica; None when the fixed bytes alone overfill each.

    The replica's vectors are split evenly between its VMs, each query asks all of them, and every VM holds the fixed
    bytes; so n VMs serve when all of these hold:
        n x (usable - fixed x overhead) >= growing x overhead        (RAM)
        n x vCPU x utilisation >= CPU seconds per second             (CPU)
        n x most milliseconds >= milliseconds of one search          (p99 limit, where there is one)
    One vCPU is taken to be as fast as the thread that was measured (an assumption). A search's CPU time is a lower
    bound of its p99: nothing waits in it, neither for another query nor for a disk.
    """
    room = usable_ram_bytes(instance) - demand.fixed_bytes * RAM_OVERHEAD
    growing = demand.ram_growing_bytes * RAM_OVERHEAD
    if room <= 0:
        return None
    by_ram = _ceil(growing / room)
    by_cpu = _ceil(demand.cpu_seconds_per_second / (instance.attribute("vcpu") * CPU_UTILISATION))
    by_limit = _ceil(demand.search_ms / demand.most_search_ms) if demand.most_search_ms else 1
    return max(1, by_ram, by_cpu, by_limit)


def _ceil(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_CEILING))
