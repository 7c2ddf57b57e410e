"""The operations of RUAS's cells (`drujax/models/ruas.py`) and the released genotypes; imports no JAX."""

from drujax.errors import UsageError, unknown

# A cell has one of OPERATIONS at each of PLACES.
OPERATIONS = ("skip", "conv1x1", "conv3x3", "dilconv3x3", "resconv1x1", "resconv3x3", "resdilconv3x3")
PLACES = ("c1_d", "c1_r", "c2_d", "c2_r", "c3_d", "c3_r", "c4")
RELEASED = {
    "illumination": ("skip", "resconv1x1", "resdilconv3x3", "conv3x3", "conv3x3", "skip", "conv3x3"),
    "noise": ("resconv1x1", "resconv1x1", "resdilconv3x3", "skip", "resconv1x1", "resconv1x1", "skip"),
}


def genotype(cell: str, text: str) -> tuple[str, ...]:
    """Parses the operations of a cell.

    Args:
        cell: "illumination" or "noise".
        text: "released", or seven of OPERATIONS separated by commas.

    Raises:
        UsageError: the number of operations is wrong, or one is unknown.
    """
    if text == "released":
        return RELEASED[cell]
    kinds = tuple(text.split(","))
    if len(kinds) != len(PLACES):
        raise UsageError(f"option {cell}: must have {len(PLACES)} operations, got {len(kinds)}: {text!r}")
    for kind in kinds:
        if kind not in OPERATIONS:
            raise unknown(f"option {cell}", kind, OPERATIONS)
    return kinds
