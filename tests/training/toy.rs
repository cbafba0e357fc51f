//! A joint model of one embedding and two linear heads, with its gradient by hand: enough for every promise of the loop.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use pipeline::base::IGNORE;
use pipeline::nn::kernels::average::{average, newest_share};
use pipeline::nn::{Batch, Group, HeadLoss, LossOptions, Losses, Parameter, Role, Section};
use pipeline::tasks::Decode;
use pipeline::tasks::metrics::Metric;
use pipeline::text::{CorpusTasks, EncodedSplit, Fit, LabelSet};
use pipeline::training::adamw::{AdamW, Gradient, Update, gradient_norm};
use pipeline::training::{
    Data, Engine, EngineError, Forward, Notice, Observer, Progress, Recipe, StateVector, Storage,
    TrainError, Trained, train,
};

pub const WIDTH: usize = 4;
pub const WORDS: usize = 12;
const EMBEDDING: usize = WORDS * WIDTH;
const NER: usize = EMBEDDING + 3 * WIDTH;
const ANOMALY: usize = NER + 2 * WIDTH;

#[derive(Debug, Clone)]
pub struct Toy {
    pub parameters: Vec<f32>,
    gradient: Vec<f32>,
    optimiser: AdamW,
    average: Option<(f64, Vec<f32>)>,
    names: Vec<Parameter>,
    cut: bool,
    poison: Option<u64>,
    /// After so many updates every tag is told rightly, with a logit that is infinite.
    pub infinite_after: Option<u64>,
    calls: u64,
    /// How long it takes to write the weights, as on a slow disk.
    pub export_pause: std::time::Duration,
}

impl Toy {
    pub fn new() -> Self {
        let parameters =
            (0..ANOMALY).map(|index| ((index * 7919 % 101) as f32 - 50.0) / 100.0).collect();
        let name = |name: &str, range: Range<usize>, section| Parameter {
            name: name.into(),
            shape: vec![range.len() / WIDTH, WIDTH],
            range,
            role: Role::Matrix,
            section,
            group: Group::default(),
        };
        let names = vec![
            name("embedding.weight", 0..EMBEDDING, Section::Embeddings),
            name("ner_classifier.weight", EMBEDDING..NER, Section::Head(0)),
            name("anomaly_classifier.weight", NER..ANOMALY, Section::Head(1)),
        ];
        Self {
            parameters,
            gradient: vec![0.0; ANOMALY],
            optimiser: AdamW::new(ANOMALY),
            average: None,
            names,
            cut: false,
            poison: None,
            infinite_after: None,
            calls: 0,
            export_pause: std::time::Duration::ZERO,
        }
    }

    /// Never gives the head over tokens a gradient, as a mistaken backward would.
    pub fn cut() -> Self {
        Self { cut: true, ..Self::new() }
    }

    /// Without the head over tokens.
    pub fn classifier() -> Self {
        let mut toy = Self::new();
        let head = toy.names.remove(1);
        assert_eq!(head.head(), Some(0));
        toy
    }

    /// Where the weights of its heads begin, and how many classes each tells apart.
    fn heads(&self) -> Vec<(usize, usize)> {
        let heads = self.names.iter().filter(|parameter| parameter.head().is_some());
        heads.map(|parameter| (parameter.range.start, parameter.shape[0])).collect()
    }

    /// Its gradient is not finite in the batch of this number, counted from zero.
    pub fn poisoned(batch: u64) -> Self {
        Self { poison: Some(batch), ..Self::new() }
    }

    /// Weights and moments as bits.
    pub fn bits(&self) -> Vec<u32> {
        let (first, second) = self.optimiser.moments();
        self.parameters.iter().chain(first).chain(second).map(|value| value.to_bits()).collect()
    }

    fn head(&self, from: usize, classes: usize, word: u32) -> Vec<f32> {
        let hidden = &self.parameters[word as usize * WIDTH..][..WIDTH];
        let row = |class: usize| &self.parameters[from + class * WIDTH..][..WIDTH];
        (0..classes)
            .map(|class| row(class).iter().zip(hidden).map(|(weight, value)| weight * value).sum())
            .collect()
    }

    /// Adds the gradient of `scale * cross-entropy`, and returns the cross-entropy.
    fn backward(&mut self, from: usize, classes: usize, word: u32, label: u32, scale: f32) -> f64 {
        let logits = self.head(from, classes, word);
        let largest = logits.iter().copied().fold(f32::MIN, f32::max);
        let logits: Vec<f32> = logits.iter().map(|logit| logit - largest).collect();
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        for (class, logit) in logits.iter().enumerate() {
            let slope = scale * (logit.exp() / sum - f32::from(u8::from(class as u32 == label)));
            for index in 0..WIDTH {
                let (weight, value) = (from + class * WIDTH + index, word as usize * WIDTH + index);
                if !(self.cut && from == EMBEDDING) {
                    self.gradient[weight] += slope * self.parameters[value];
                }
                self.gradient[value] += slope * self.parameters[weight];
            }
        }
        f64::from(sum.ln() - logits[label as usize])
    }
}

/// The words that a head looks at: all, or the first of each sequence.
fn words(batch: &Batch, rows: usize) -> Vec<u32> {
    if rows == batch.len() {
        return batch.ids().to_vec();
    }
    batch.bounds()[..rows].iter().map(|first| batch.ids()[*first]).collect()
}

impl Forward for Toy {
    fn logits(&mut self, batch: &Batch) -> Result<Vec<Vec<f32>>, EngineError> {
        let heads = self.heads().into_iter().zip(batch.targets());
        let of_head = |((from, outputs), targets): ((usize, usize), &Vec<u32>)| {
            words(batch, targets.len())
                .iter()
                .flat_map(|word| self.head(from, outputs, *word))
                .collect()
        };
        let mut logits: Vec<Vec<f32>> = heads.map(of_head).collect();
        if self.infinite_after.is_some_and(|updates| self.updates() >= updates) {
            let told = logits[0].chunks_exact_mut(3).zip(&batch.targets()[0]);
            told.filter(|(_, label)| **label < 3)
                .for_each(|(logits, label)| logits[*label as usize] = f32::INFINITY);
        }
        Ok(logits)
    }
}

impl Engine for Toy {
    fn parameters(&self) -> &[Parameter] {
        &self.names
    }

    fn accumulate(
        &mut self,
        batch: &Batch,
        options: &[LossOptions],
    ) -> Result<Losses, EngineError> {
        let mut losses = Losses::default();
        let heads = self.heads().into_iter().zip(batch.targets().iter().zip(options));
        for ((from, outputs), (targets, options)) in heads {
            let normaliser = options.normaliser.expect("the loop gives it");
            let mut loss = HeadLoss::default();
            let words = words(batch, targets.len()).into_iter();
            for (word, &target) in words.zip(targets).filter(|(_, target)| **target != IGNORE) {
                let weights = options.class_weights.as_ref();
                let weight = weights.map_or(1.0, |weights| weights[target as usize]);
                let scale = options.weight * weight / normaliser as f32;
                loss.mean += self.backward(from, outputs, word, target, scale) * f64::from(weight)
                    / normaliser;
                loss.counted += 1;
            }
            losses.heads.push(loss);
        }
        if self.poison == Some(self.calls) {
            self.gradient[0] = f32::NAN;
        }
        self.calls += 1;
        Ok(losses)
    }

    fn gradient_norm(&mut self) -> Result<f64, EngineError> {
        Ok(gradient_norm(&[Gradient::Dense {
            start: 0,
            values: &self.gradient,
            group: Group::default(),
        }]))
    }

    fn has_gradient(
        &mut self,
        parameter: usize,
        elements: Range<usize>,
    ) -> Result<bool, EngineError> {
        let start = self.names[parameter].range.start;
        Ok(self.gradient[start..][elements].iter().any(|value| *value != 0.0))
    }

    fn step(&mut self, update: &Update) -> Result<(), EngineError> {
        self.optimiser.step(
            &mut self.parameters,
            &[Gradient::Dense { start: 0, values: &self.gradient, group: Group::default() }],
            update,
        );
        let updates = self.updates();
        if let Some((decay, values)) = &mut self.average {
            average(values, &self.parameters, newest_share(*decay, updates));
        }
        self.gradient.fill(0.0);
        Ok(())
    }

    fn discard(&mut self) {
        self.gradient.fill(0.0);
    }

    fn fixed_states(&mut self, _batch: &Batch) -> Result<Option<Vec<f32>>, EngineError> {
        Ok(None)
    }

    fn updates(&self) -> u64 {
        self.optimiser.updates()
    }

    fn export(
        &self,
        vector: StateVector,
        sink: &mut dyn FnMut(&[f32]) -> std::io::Result<()>,
    ) -> Result<(), EngineError> {
        let (first, second) = self.optimiser.moments();
        if vector == StateVector::Parameters {
            std::thread::sleep(self.export_pause);
        }
        let values = match vector {
            StateVector::Parameters => &self.parameters,
            StateVector::FirstMoments => first,
            StateVector::SecondMoments => second,
            StateVector::Average => &self.average.as_ref().expect("an average").1,
        };
        Ok(values.chunks(7).try_for_each(sink)?)
    }

    fn import(
        &mut self,
        vector: StateVector,
        source: &mut dyn FnMut(&mut [f32]) -> std::io::Result<()>,
    ) -> Result<(), EngineError> {
        let updates = self.optimiser.updates();
        let (first, second) = self.optimiser.restore(updates);
        let values = match vector {
            StateVector::Parameters => &mut self.parameters,
            StateVector::FirstMoments => first,
            StateVector::SecondMoments => second,
            StateVector::Average => &mut self.average.as_mut().expect("an average").1,
        };
        Ok(values.chunks_mut(5).try_for_each(source)?)
    }

    fn set_updates(&mut self, updates: u64) {
        self.optimiser.restore(updates);
    }

    fn keep_average(&mut self, decay: f64) -> Result<(), EngineError> {
        self.average = Some((decay, self.parameters.clone()));
        Ok(())
    }

    fn exchange_average(&mut self) -> Result<(), EngineError> {
        let (_, average) = self.average.as_mut().expect("an average");
        std::mem::swap(average, &mut self.parameters);
        Ok(())
    }

    fn vectors(&self) -> &'static [StateVector] {
        StateVector::of(self.average.is_some())
    }
}

/// Sentences of 3 to 6 words whose labels and class follow from the words.
pub fn split(sequences: usize, shift: usize) -> EncodedSplit {
    let mut split = EncodedSplit::default();
    for row in 0..sequences {
        let length = 3 + (row + shift) % 4;
        for place in 0..length {
            let word = if place == 0 {
                (row + shift) % 2
            } else {
                2 + (row * 5 + place * 3 + shift) % (WORDS - 2)
            } as u32;
            split.ids.push(word);
            split.labels.push(if place == 0 || place == length - 1 { IGNORE } else { word % 3 });
            split.starts.push(place as u32);
            split.ends.push(place as u32 + 1);
        }
        split.bounds.push(split.ids.len() as u32);
        split.classes.entry("anomaly".to_owned()).or_default().push(((row + shift) % 2) as u32);
    }
    told_by_labels(&mut split, &labels());
    split
}

/// Takes what the labels say for what the corpus says.
pub fn told_by_labels(split: &mut EncodedSplit, labels: &LabelSet) {
    for found in split.spans(&split.labels, labels) {
        split.truth.push(found.into_iter().map(|span| (span, Fit::Exact)));
    }
}

/// Two of whose three labels are an entity's, in the order of [`split`]'s numbers.
pub fn labels() -> LabelSet {
    LabelSet::of(["X"])
}

/// The metric of this name.
pub fn metric(name: &str) -> Metric {
    Metric::named(name).expect("there is one")
}

/// 11 sequences in batches of 2: six steps an epoch, the last of one sequence.
pub fn recipe() -> Recipe {
    // Its texts are tokens alone.
    let decode = Decode::Tokens;
    Recipe { epochs: 3, batch_size: 2, learning_rate: 0.05, decode, ..Recipe::default() }
}

/// What a training remembers about being watched.
#[derive(Default)]
pub struct Watcher {
    pub notices: RefCell<Vec<Notice>>,
    pub asked: Cell<u64>,
    /// Cancels when it is asked for this time, counted from zero.
    pub cancel_at: Option<u64>,
}

impl Watcher {
    pub fn cancelling_at(asked: u64) -> Self {
        Self { cancel_at: Some(asked), ..Self::default() }
    }
}

impl Observer for Watcher {
    fn progress(&self, progress: &Progress<'_>) {
        assert!(progress.step <= progress.total_steps && progress.tokens_per_s > 0.0);
    }

    fn notice(&self, notice: &Notice) {
        self.notices.borrow_mut().push(notice.clone());
    }

    fn cancelled(&self) -> bool {
        let asked = self.asked.replace(self.asked.get() + 1);
        Some(asked) == self.cancel_at
    }
}

pub fn run(
    toy: &mut Toy,
    recipe: &Recipe,
    storage: Storage<'_>,
    observer: &dyn Observer,
) -> Result<Trained, TrainError> {
    let (sentences, validation, labels) = (split(11, 0), split(5, 3), labels());
    train(
        toy,
        Data {
            train: &sentences,
            validation: Some(&validation),
            labels: &labels,
            tasks: &CorpusTasks::default(),
        },
        recipe,
        storage,
        observer,
    )
}

/// Trains without any storage, to the end.
pub fn undisturbed(recipe: &Recipe) -> (Toy, Trained) {
    let mut toy = Toy::new();
    let trained = run(&mut toy, recipe, Storage::default(), &()).expect("it trains");
    (toy, trained)
}
