"""What every section of a configuration is: frozen, strict about names and numbers; faults in words."""

import re
from collections.abc import Callable
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """true is no number, though Python counts it as 1."""
        if isinstance(value, bool):
            kinds = get_args(kind := cls.model_fields[info.field_name or ""].annotation) or (kind,)
            if not {bool, int, float}.isdisjoint(kinds) and bool not in kinds:
                raise ValueError(f"expected a number, got {str(value).lower()}")
        return value


def _place(text: str) -> str:
    if not text.strip() or any(ord(letter) < 32 for letter in text):
        raise ValueError(f"expected the name of a file or folder, or null, got {text!r}")
    return text


Place = Annotated[str, AfterValidator(_place)]


# Keys of runs that were made earlier -> what says the same now
FORMER = {"data.position_column": "data.conditions: {COLUMN: position}, and {} where it was null"}

LONGEST = 80  # letters of a wrong value, in a message


def faults(error: ValidationError, prefix: str = "", suggest: Callable[[str], str] = lambda key: "") -> list[str]:
    """What pydantic found, each with its key. A message of our own that begins with the full key is left as it is.

    suggest: the end of a message on a key that is not known.
    """
    found = []
    for e in error.errors():
        key = prefix + ".".join(str(p) for p in e["loc"] if p != "[key]")
        if e["type"] == "extra_forbidden":
            found.append(f"{key} is not known{suggest(key)}")
        elif e["type"] == "missing":
            found.append(f"{key} is missing")
        elif e["type"] == "value_error":
            message = str(e["ctx"]["error"])
            found.append(message if not key or message.startswith((f"{key}.", f"{key}:")) else f"{key}: {message}")
        else:
            message = re.sub(r"^(Input|\w+) should (be|have) | after validation.*", "", e["msg"])
            got = "a section" if isinstance(e["input"], dict) else " ".join(repr(e["input"]).split())
            found.append(f"{key}: expected {message}, got {got if len(got) <= LONGEST else got[:LONGEST] + '...'}")
    return found
