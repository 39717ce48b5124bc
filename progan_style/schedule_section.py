"""The section of a configuration that says when which size is trained, and how: a row in each table for each size."""

from itertools import pairwise

from pydantic import Field, field_validator, model_validator

from progan_style.section import Section
from progan_style.training.schedule import GrowthSchedule

LARGEST = 1_000_000  # of a table of the schedule; in kimg it is a billion images


class ScheduleConfig(Section):
    resolutions: tuple[int, ...] = Field(min_length=1)
    fade_kimg: dict[int, float]
    hold_kimg: dict[int, float]
    batch_size: dict[int, int]
    lr_g: dict[int, float]
    lr_d: dict[int, float]
    r1_gamma: dict[int, float]
    label_kimg: tuple[float, float] | None

    @field_validator("label_kimg")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] < value[1]:
            raise ValueError(f"expected two points in kimg, the second after the first, or null, got {list(value)}")
        return value

    @field_validator("resolutions")
    @classmethod
    def _powers(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for r in value:
            if r < 8 or r > 1024 or r & (r - 1):
                raise ValueError(f"expected powers of two from 8 to 1024, got {r}")
        if any(b != 2 * a for a, b in pairwise(value)):
            raise ValueError(f"each resolution must be twice the one before, got {list(value)}")
        return value

    @model_validator(mode="after")
    def _rows(self) -> "ScheduleConfig":
        limits = {"fade_kimg": 0.0, "hold_kimg": 0.0, "r1_gamma": 0.0, "lr_g": 1e-12, "lr_d": 1e-12, "batch_size": 4}
        for table, least in limits.items():
            rows = getattr(self, table)
            for r in self.resolutions:
                if r not in rows:
                    raise ValueError(f"schedule.{table}.{r}: the row for stage {r} is missing")
            for r, value in rows.items():
                if value > LARGEST:
                    raise ValueError(f"schedule.{table}.{r}: expected {LARGEST:,} or less, got {value:g}")
                if value < least:
                    expected = {"batch_size": "4 or more", "lr_g": "more than 0", "lr_d": "more than 0"}
                    raise ValueError(f"schedule.{table}.{r}: expected {expected.get(table, '0 or more')}, got {value}")
                if table == "batch_size" and value % 4:
                    raise ValueError(
                        f"schedule.batch_size.{r}: expected a multiple of 4 (minibatch-std groups), got {value}"
                    )
        if self.label_kimg and 1000 * self.label_kimg[1] > (end := GrowthSchedule(**self.model_dump()).total):
            raise ValueError(
                f"schedule.label_kimg: expected an end within the run's {end / 1000:g} kimg, got {self.label_kimg[1]:g}"
            )
        return self
