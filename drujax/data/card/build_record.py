"""How a dataset was built, as far as its records do not tell: the command, the version, the licences of its sources."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from drujax.errors import UsageError
from drujax.runtime.atomic_write import write_atomically

BUILD = "build.json"  # in the folder of the dataset


@dataclasses.dataclass(frozen=True)
class BuildRecord:
    """What `build.json` holds.

    Attributes:
        command: the words of the command that built the dataset; empty if it is not known.
        version: of drujax; "" if it is not known.
        licences: source -> note.
    """

    command: Sequence[str] = ()
    version: str = ""
    licences: Mapping[str, str] = dataclasses.field(default_factory=dict)


def read_build(data: Path) -> BuildRecord:
    """Reads the record in the folder of a dataset; an empty one if there is none.

    Raises:
        UsageError: the file is damaged.
    """
    path = data / BUILD
    if not path.exists():
        return BuildRecord()
    try:
        return BuildRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: damaged ({error}); remove it and write the card again") from None


def write_build(data: Path, record: BuildRecord) -> None:
    """Writes the record, atomically."""
    text = json.dumps(dataclasses.asdict(record), indent=1, ensure_ascii=False)
    write_atomically(data / BUILD, (text + "\n").encode())
