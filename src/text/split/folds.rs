//! Folds: each of *k* equal parts of the texts outside of test validates once, and the others train.
//!
//! The parts of a [`Membership`] without folds are made first, so that test is the same in every fold. What is left is laid in the same row as
//! for fractions, by class and rank or by whole groups, and cut into *k* parts.

use super::division::{Division, Fold, Item};
use super::groups::{self, GroupCounts};
use super::membership::Membership;
use super::units::strata;
use super::{Fractions, Split, SplitError};

impl Division {
    /// Lets a fold validate and the others train.
    pub(super) fn fold(
        &self,
        fold: Fold,
        items: &[Item],
        membership: &mut Membership,
    ) -> Result<(), SplitError> {
        let is_left = |index: &usize| {
            matches!(membership.parts[*index], Some(Split::Train | Split::Validation))
        };
        let left: Vec<usize> = (0..items.len()).filter(is_left).collect();
        let mut fields = self.by.fields().into_iter().enumerate();
        let field = fields.rfind(|(_, (part, _))| *part != Some(Split::Test));
        let (validates, count) = match field {
            Some((number, (_, field))) => {
                self.fold_of_groups(fold, items, &left, number, field, membership)
            }
            None => self.fold_of_texts(fold, items, &left),
        };
        if validates.is_empty() || validates.len() == left.len() {
            let field = field.map(|(_, (_, field))| field.to_owned());
            return Err(SplitError::TooFewForFolds { folds: fold.of, count, field });
        }
        left.iter().for_each(|index| membership.parts[*index] = Some(Split::Train));
        validates.iter().for_each(|index| membership.parts[*index] = Some(Split::Validation));
        Ok(())
    }

    /// The texts of a fold of whole groups, and how many groups there are.
    fn fold_of_groups(
        &self,
        fold: Fold,
        items: &[Item],
        left: &[usize],
        number: usize,
        field: &str,
        membership: &mut Membership,
    ) -> (Vec<usize>, usize) {
        let groups = groups::collect(items, left, number);
        let folds = groups::folds(&groups, fold.of);
        let mut validates = Vec::new();
        let mut counts = [0; 3];
        for (group, side) in groups.iter().zip(folds.unwrap_or_default()) {
            let split = if side == fold.index { Split::Validation } else { Split::Train };
            counts[split as usize] += 1;
            if split == Split::Validation {
                validates.extend(&group.members);
            }
        }
        if let Some(told) = membership.groups.iter_mut().find(|told| told.field == field) {
            let test = told.parts[Split::Test as usize];
            *told = GroupCounts { parts: [counts[0], counts[1], test], ..told.clone() };
        }
        (validates, groups.len())
    }

    /// The texts of a fold, and how many units there are.
    fn fold_of_texts(&self, fold: Fold, items: &[Item], left: &[usize]) -> (Vec<usize>, usize) {
        let units = self.units(items, left);
        // Sizes come out right in total, and for each class to within one.
        let end = |seen: usize, part: usize| {
            (seen as f64 * part as f64 / fold.of as f64).round() as usize
        };
        let mut validates = Vec::new();
        let mut seen = 0;
        for stratum in strata(&units) {
            let count: usize = stratum.iter().map(|unit| unit.members.len()).sum();
            let end = |part: usize| end(seen + count, part) - end(seen, part);
            let (from, to) = (end(fold.index), end(fold.index + 1));
            let mut start = 0;
            for unit in stratum {
                let middle = 2 * start + unit.members.len();
                if middle > 2 * from && middle <= 2 * to {
                    validates.extend(&unit.members);
                }
                start += unit.members.len();
            }
            seen += count;
        }
        (validates, units.len())
    }

    /// The fractions that the parts are to have.
    #[must_use]
    pub fn asked(&self) -> Fractions {
        match self.fold {
            Some(fold) => self.fractions.folded(fold.of),
            None => self.fractions,
        }
    }
}
