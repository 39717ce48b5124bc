"""Numbers, pictures and texts for TensorBoard, written as they come. A fault of this file is told once, and ends
nothing else.

torch's SummaryWriter writes from a thread of its own, which ends in a traceback where the folder is gone or the disk
is full. Only the format is TensorBoard's here: its record writer and its messages.
"""

import os
import platform
import time
from pathlib import Path
from typing import IO, Any

from progan_style import distributed

FORMAT = "brain.Event:2"  # TensorBoard's name of the format, the first record of a file


class Board:
    """A new file of events in `folder`; what earlier files say of images after `nimg` is dropped by the reader."""

    def __init__(self, folder: Path, nimg: int):
        self.folder = folder
        self.file: IO[bytes] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time_ns():020d}.{platform.node()}.{os.getpid()}"
            self.file = open(folder / name, "wb")  # noqa: SIM115
        except OSError as error:
            self._stop(error)
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._event(step=nimg + 1, file_version=FORMAT)
        self._event(step=nimg + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, numbers: dict[str, Any], nimg: int, group: str = "training") -> None:
        """What of `numbers` is a number, at image `nimg`, in a group of its own; the losses have theirs."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=f"{'losses' if key.startswith('loss') else group}/{key}", simple_value=x)
            for key, x in numbers.items()
            if isinstance(x, int | float)
        ]
        self._event(step=nimg, summary=Summary(value=values))

    def picture(self, png: Path, nimg: int) -> None:
        """A PNG file as the image "samples"."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        data = png.read_bytes()
        width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))  # of the header, IHDR
        image = Summary.Image(height=height, width=width, colorspace=1, encoded_image_string=data)
        self._event(step=nimg, summary=Summary(value=[Summary.Value(tag="samples", image=image)]))

    def text(self, name: str, text: str, nimg: int) -> None:
        """A text, shown as it is: indented by four, which is how TensorBoard's Markdown quotes."""
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING

        quoted = "\n".join(f"    {line}" for line in text.splitlines()).encode(errors="replace")
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        value = Summary.Value(tag=name, metadata=metadata, tensor=TensorProto(dtype=DT_STRING, string_val=[quoted]))
        self._event(step=nimg, summary=Summary(value=[value]))

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None

    def _event(self, **parts: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        if self.file is not None:
            try:
                RecordWriter(self.file).write(Event(wall_time=time.time(), **parts).SerializeToString())
                self.file.flush()
            except OSError as error:
                self._stop(error)

    def _stop(self, error: OSError) -> None:
        distributed.say(f"note: nothing more is written for TensorBoard in {self.folder}: {error.strerror}")
        self.file = None
