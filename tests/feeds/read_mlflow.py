"""Prints as JSON what MLflow itself finds in a file store: python read_mlflow.py FOLDER."""

import json
import os
import sys

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

from mlflow.tracking import MlflowClient  # noqa: E402


def main(folder):
    client = MlflowClient(f"file://{os.path.abspath(folder)}")
    found = []
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            history = {
                name: [[point.step, point.value] for point in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            }
            found.append(
                {
                    "experiment": experiment.name,
                    "id": run.info.run_id,
                    "name": run.info.run_name,
                    "status": run.info.status,
                    "took_ms": run.info.end_time - run.info.start_time,
                    "params": run.data.params,
                    "tags": run.data.tags,
                    "metrics": history,
                    "artifacts": [artifact.path for artifact in client.list_artifacts(run.info.run_id)],
                }
            )
    print(json.dumps(found))


main(sys.argv[1])
