"""Prints as JSON what TensorBoard itself reads in a folder of event files: python read_events.py FOLDER.

Scalars as [[step, value], ...] by run and tag, texts, sizes of pictures, and the table of the HParams plugin.
"""

import json
import sys

from google.protobuf import json_format
from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

EVERYTHING = {name: 0 for name in ["scalars", "images", "text", "hparams", "tensors"]}


def main(folder):
    runs = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance=EVERYTHING)
    runs.AddRunsFromDirectory(folder).Reload()
    found = {"scalars": {}, "texts": {}, "pictures": {}}
    for run in sorted(runs.Runs()):
        plugins = {
            tag: runs.SummaryMetadata(run, tag).plugin_data.plugin_name for tag in runs.Runs()[run]["tensors"]
        }
        for tag, plugin in plugins.items():
            events = runs.Tensors(run, tag)
            if plugin == "scalars":
                points = [[event.step, event.tensor_proto.float_val[0]] for event in events]
                found["scalars"].setdefault(run, {})[tag] = points
            elif plugin == "text":
                found["texts"].setdefault(run, {})[tag] = events[-1].tensor_proto.string_val[0].decode()
            elif plugin == "images":
                width, height = events[-1].tensor_proto.string_val[:2]
                found["pictures"].setdefault(run, {})[tag] = [int(width), int(height)]
    provider = data_provider.MultiplexerDataProvider(runs, folder)
    plugin = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=folder))
    request = context.RequestContext()
    every = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING, api_pb2.STATUS_UNKNOWN]
    experiment = get_experiment.Handler(request, plugin, "", api_pb2.GetExperimentRequest()).run()
    asked = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=every,
        aggregation_type=api_pb2.AGGREGATION_AVG,
        slice_size=1000,
        col_params=[api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos],
    )
    groups = list_session_groups.Handler(request, plugin, "", asked).run()
    found["experiment"] = json_format.MessageToDict(experiment)
    found["groups"] = json_format.MessageToDict(groups).get("sessionGroups", [])
    print(json.dumps(found))


main(sys.argv[1])
