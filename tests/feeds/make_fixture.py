"""Writes events.out.tfevents.fixture and pixel.png beside itself: events as TensorBoard's own writer has them.

    pip install tensorboard && python make_fixture.py
"""

import math
import struct
import zlib
from pathlib import Path

from tensorboard.compat.proto import event_pb2, summary_pb2, types_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

HERE = Path(__file__).parent
Value, SummaryMetadata = summary_pb2.Summary.Value, summary_pb2.SummaryMetadata


def pixel():
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 6, 0, 0, 0)
    pixels = zlib.compress(b"\x00\x00\x72\xb2\xff")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def text(tag, content):
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    tensor = tensor_util.make_tensor_proto(content.encode(), dtype=types_pb2.DT_STRING)
    return Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)


def hparams(tag, **data):
    data = plugin_data_pb2.HParamsPluginData(**data)
    return Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)


def start(values, **fields):
    info = plugin_data_pb2.SessionStartInfo(**fields)
    for name, value in values.items():
        setattr(info.hparams[name], "bool_value" if isinstance(value, bool) else "number_value", value)
    return hparams(metadata.SESSION_START_INFO_TAG, session_start_info=info)


def summary(wall_time, step, *values):
    return event_pb2.Event(wall_time=wall_time, step=step, summary=summary_pb2.Summary(value=values))


def main():
    (HERE / "pixel.png").write_bytes(pixel())
    picture = summary_pb2.Summary.Image(height=1, width=1, colorspace=4, encoded_image_string=pixel())
    experiment = api_pb2.Experiment(
        time_created_secs=6.25,
        hparam_infos=[
            api_pb2.HParamInfo(name="train.learning_rate", type=api_pb2.DATA_TYPE_FLOAT64, differs=True),
            api_pb2.HParamInfo(name="train.schedule", type=api_pb2.DATA_TYPE_STRING, differs=True),
        ],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in ["evaluate.ner.span_f1", "evaluate.loss"]
        ],
    )
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=9.25)
    events = [
        event_pb2.Event(wall_time=1.5, file_version="brain.Event:2"),
        summary(2.5, 1, Value(tag="train/loss", simple_value=0.75), Value(tag="train/zero", simple_value=0.0)),
        summary(3.5, 300, Value(tag="validation/ner.span_f1", simple_value=math.nan)),
        summary(4.5, 0, text("experiment", '```toml\nabout = "für alle"\n```')),
        summary(5.5, 0, Value(tag="pixel", image=picture)),
        summary(6.5, 0, hparams(metadata.EXPERIMENT_TAG, experiment=experiment)),
        summary(7.5, 0, start({"train.learning_rate": 1e-3}, group_name="learning_rate=1e-3", start_time_secs=7.25)),
        summary(8.5, 0, start({"a.b": False}, start_time_secs=8.25)),
        summary(9.5, 0, hparams(metadata.SESSION_END_INFO_TAG, session_end_info=end)),
        event_pb2.Event(wall_time=10.5, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)),
    ]
    with open(HERE / "events.out.tfevents.fixture", "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())


main()
