"""Follows a run into Weights & Biases: python follow.py outputs/runs/RUN (pip install wandb; WANDB_MODE=offline needs no account)."""
import json, pathlib, sys, time, wandb

folder, line = pathlib.Path(sys.argv[1]), ""
run = wandb.init(project="pipeline", name=folder.name, dir=folder)
with open(folder / "events.jsonl") as events:
    while '"run_finished"' not in line:
        if line := events.readline():
            event = json.loads(line)
            numbers = event["numbers"] if event.get("unit") == "steps" else event["metrics"] if "split" in event else {}
            if numbers:
                at = "/".join(filter(None, [event.get("label"), event["stage"], event.get("split")]))
                step = {"step": event.get("done", event.get("step"))}
                run.log({f"{at}/{name}": value for name, value in (step | numbers).items()})
        else:
            time.sleep(1)
run.summary.update(event["metrics"])
