//! Removing what nobody needs while something is needed.

use std::collections::BTreeSet;
use std::time::SystemTime;

use pipeline::engine::exec::{Cancel, Event};
use pipeline::engine::runs::{Limits, WasteOf, collect};

use crate::support::Project;

#[test]
fn removing_beside_a_running_training_takes_nothing_from_it() {
    let project = Project::new();
    let ran = project.run_with("epochs = 1", &Cancel::new(), &|event| {
        if matches!(event, Event::StageStarted { name, .. } if name.kind == "train") {
            let found = collect(
                &project.store(),
                Limits::default(),
                &BTreeSet::new(),
                SystemTime::now(),
                true,
            )
            .expect("writable");
            assert_eq!(found.waste, []);
        }
    });
    assert_eq!(ran.steps(), 4);
}

#[test]
fn the_state_of_an_interrupted_training_stays_and_that_of_an_abandoned_one_goes() {
    let project = Project::new();
    let interrupted = |train: &str| {
        let cancel = Cancel::new();
        project.run_with(train, &cancel, &|event| {
            if matches!(event, Event::StageProgress { name, .. } if name.kind == "train") {
                cancel.cancel();
            }
        });
    };
    let collect = || {
        let found =
            collect(&project.store(), Limits::default(), &BTreeSet::new(), SystemTime::now(), true)
                .expect("writable");
        found.waste.into_iter().filter(|waste| waste.what == WasteOf::SavedState).count()
    };
    interrupted("epochs = 50");
    assert_eq!((project.checkpoints().len(), collect()), (1, 0));
    let resumed = project.run("epochs = 50");
    assert!(
        resumed.messages().iter().any(|message| message.contains("continues after step")),
        "{:?}",
        resumed.messages()
    );
    interrupted("epochs = 60");
    project.run("epochs = 2");
    assert_eq!((project.checkpoints().len(), collect()), (1, 1));
}
