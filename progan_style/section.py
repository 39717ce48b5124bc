"""What every section of a configuration is: frozen, strict about names and numbers."""

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator


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
