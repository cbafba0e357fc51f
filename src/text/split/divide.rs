//! Giving each item its part.

use super::division::{Division, EqualTexts, Item};
use super::groups::{self, GroupCounts};
use super::membership::Membership;
use super::units::{Unit, representatives, single_units, strata, text_units};
use super::{Fractions, SplitError, order};
use crate::text::Split;

impl Division {
    /// Gives each item its part.
    ///
    /// # Errors
    /// [`SplitError`] when the fractions do not sum to 1, or a part that is to get something would be empty.
    pub fn divide(&self, items: &[Item]) -> Result<Membership, SplitError> {
        self.fractions.check()?;
        let mut membership = Membership { parts: vec![None; items.len()], ..Membership::default() };
        let left: Vec<usize> = match self.equal_texts {
            EqualTexts::Drop => representatives(items, &mut membership.contradictions),
            EqualTexts::Together | EqualTexts::Keep => (0..items.len()).collect(),
        };
        match &self.order {
            Some(field) => order::divide(self, field, items, &left, &mut membership)?,
            None => self.divide_at_random(items, left, &mut membership)?,
        }
        if let Some(fold) = self.fold {
            self.fold(fold, items, &mut membership)?;
        }
        Ok(membership)
    }

    fn divide_at_random(
        &self,
        items: &[Item],
        mut left: Vec<usize>,
        membership: &mut Membership,
    ) -> Result<(), SplitError> {
        let mut fractions = self.fractions;
        for (number, (part, field)) in self.by.fields().into_iter().enumerate() {
            let groups = groups::collect(items, &left, number);
            let targets = match part {
                Some(part) => groups::Targets::one(part, fractions),
                None => groups::Targets::all(fractions),
            };
            if targets.is_empty() {
                continue;
            }
            let sides = groups::deal(&groups, &targets).map_err(|split| {
                SplitError::TooFewGroups { split, field: field.to_owned(), groups: groups.len() }
            })?;
            let count = |split| sides.iter().filter(|side| **side == Some(split)).count();
            membership.groups.push(GroupCounts {
                field: field.to_owned(),
                part,
                total: groups.len(),
                parts: Split::ALL.map(count),
            });
            for (group, side) in groups.iter().zip(sides) {
                for index in &group.members {
                    membership.parts[*index] = side;
                }
            }
            left.retain(|index| membership.parts[*index].is_none());
            match part {
                Some(part) => fractions = fractions.without(part),
                None => return Ok(()),
            }
        }
        let units = self.ranked(items, &left, fractions, &mut membership.parts);
        membership.is_tied = units < left.len();
        self.require_all(membership, units)
    }

    fn require_all(&self, membership: &Membership, texts: usize) -> Result<(), SplitError> {
        for split in Split::ALL {
            let fraction = self.fractions.get(split);
            if fraction > 0.0 && membership.size(split) == 0 {
                return Err(SplitError::TooFew { split, fraction, texts });
            }
        }
        Ok(())
    }

    /// Ranks and cuts; returns how many units there were.
    fn ranked(
        &self,
        items: &[Item],
        left: &[usize],
        fractions: Fractions,
        parts: &mut [Option<Split>],
    ) -> usize {
        let units = self.units(items, left);
        let mut seen = 0;
        for stratum in strata(&units) {
            let count = stratum.iter().map(|unit| unit.members.len()).sum();
            let ends = fractions.class_ends(seen, count);
            let mut start = 0;
            for unit in stratum {
                // A unit goes where its middle lies.
                let middle = 2 * start + unit.members.len();
                let part = ends.iter().position(|end| middle <= 2 * end).unwrap_or(2);
                for index in &unit.members {
                    parts[*index] = Some(Split::ALL[part]);
                }
                start += unit.members.len();
            }
            seen += count;
        }
        units.len()
    }

    pub(super) fn units(&self, items: &[Item], left: &[usize]) -> Vec<Unit> {
        match self.equal_texts {
            EqualTexts::Keep => single_units(items, left),
            EqualTexts::Together | EqualTexts::Drop => text_units(items, left),
        }
    }
}
