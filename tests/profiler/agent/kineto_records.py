"""Records as torch hands them out after a window with CUDA: what kineto's objects answer, without a GPU."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

ON_CPU = {"cpu_op", "user_annotation", "cuda_runtime", "cuda_driver", "overhead"}


@dataclass(frozen=True)
class Record:
    """`number`: of the op or of the launch; `place`: native thread or stream; times in ns."""

    kind: str
    text: str
    start: int
    end: int
    number: int = 0
    place: int = 1
    op: int = 0  # the number of the op that launched it
    device: int = 0
    metadata: dict[str, int | list[int]] = field(default_factory=dict)

    def activity_type(self) -> str:
        return self.kind

    def name(self) -> str:
        return self.text

    def start_ns(self) -> int:
        return self.start

    def end_ns(self) -> int:
        return self.end

    def correlation_id(self) -> int:
        return self.number

    def linked_correlation_id(self) -> int:
        return self.op

    def device_index(self) -> int:
        return self.device

    def device_resource_id(self) -> int:
        return self.place

    def end_thread_id(self) -> int:
        return 1

    def metadata_json(self) -> str:
        return json.dumps(self.metadata)[1:-1]


class OldRecord(Record):
    """As torch before 2.13 has them: the kind shows only by other things."""

    activity_type = None  # type: ignore[assignment]

    def device_type(self) -> str:
        return "DeviceType.CPU" if self.kind in ON_CPU else "DeviceType.CUDA"

    def scope(self) -> int:
        return 7 * (self.kind == "user_annotation")

    def is_user_annotation(self) -> bool:
        return self.kind.endswith("user_annotation")


class OldestRecord(OldRecord):
    """As torch 2.4 has them."""

    is_user_annotation = metadata_json = None  # type: ignore[assignment]


class MicrosecondRecord(OldestRecord):
    """As torch 2.1 has them."""

    start_ns = end_ns = None  # type: ignore[assignment]

    def start_us(self) -> int:
        return self.start // 1000

    def duration_us(self) -> int:
        return self.end // 1000 - self.start_us()
