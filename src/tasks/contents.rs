//! What there is to score in some texts, and which metrics that leaves undefined.

use super::classification;
use super::metrics::{Metric, Needs};
use crate::text::{ClassHead, CorpusTasks, Example};

/// What there is to score in some texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What they are labelled for.
    pub tasks: CorpusTasks,
    pub texts: u64,
    pub entities: u64,
    /// Texts of each class, by head.
    pub classes: Vec<Vec<u64>>,
}

impl Contents {
    #[must_use]
    pub fn of(examples: &[Example], tasks: &CorpusTasks) -> Self {
        let count = |count: usize| count as u64;
        let classes = |head: &ClassHead| {
            let mut counts = vec![0; head.classes.len()];
            let class = |example: &Example| head.index(example.classes.get(&head.name)?);
            examples.iter().filter_map(class).for_each(|class| counts[class as usize] += 1);
            counts
        };
        Self {
            texts: count(examples.len()),
            entities: examples.iter().map(|example| count(example.entities().len())).sum(),
            classes: tasks.heads.iter().map(classes).collect(),
            tasks: tasks.clone(),
        }
    }

    /// What of these texts leaves `metric` without a value that could ever change, whatever a model says of them: such as "has no anomaly".
    /// `None` where the metric can be compared.
    #[must_use]
    pub fn lacks(&self, metric: &Metric) -> Option<String> {
        if metric.needs() == Needs::Entities {
            return (self.entities == 0).then(|| "has no entity".to_owned());
        }
        let number = self.tasks.heads.iter().position(|head| Some(&*head.name) == metric.task())?;
        let (head, counts) = (&self.tasks.heads[number], &self.classes[number]);
        let labelled: u64 = counts.iter().sum();
        if labelled == 0 && self.texts > 0 {
            return Some(format!("has no text that is labelled for `{}`", head.name));
        }
        let &[negatives, positives] = counts.as_slice() else { return None };
        match metric.needs() {
            Needs::BothClasses if labelled > 0 && negatives == 0 => {
                Some(classification::lack(head, 0))
            }
            Needs::Positives | Needs::BothClasses if positives == 0 => {
                Some(classification::lack(head, 1))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents([normal, anomalies]: [u64; 2], entities: u64) -> Contents {
        let (tasks, texts) = (CorpusTasks::default(), normal + anomalies);
        Contents { tasks, texts, entities, classes: vec![vec![normal, anomalies]] }
    }

    fn lacking(contents: Contents) -> Vec<String> {
        let lacks = |metric: &Metric| contents.lacks(metric).is_some();
        let all = Metric::of_tasks(&contents.tasks).into_iter().filter(lacks);
        all.map(|metric| metric.name().to_owned()).collect()
    }

    #[test]
    fn normal_texts_alone_define_no_score_of_anomalies_but_their_accuracy() {
        assert_eq!(
            lacking(contents([5, 0], 3)),
            [
                "anomaly.precision",
                "anomaly.recall",
                "anomaly.f1",
                "anomaly.auroc",
                "anomaly.average_precision"
            ]
        );
    }

    #[test]
    fn anomalies_alone_have_no_curve() {
        assert_eq!(lacking(contents([0, 5], 3)), ["anomaly.auroc"]);
    }

    #[test]
    fn texts_without_entities_define_no_score_of_spans() {
        assert_eq!(
            lacking(contents([3, 2], 0)),
            ["ner.span_precision", "ner.span_recall", "ner.span_f1"]
        );
    }
}
