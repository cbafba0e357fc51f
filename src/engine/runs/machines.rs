//! On what a sweep's trials were made.

use std::collections::BTreeSet;

use crate::engine::stage::Caveat;

/// That trials ran on processors with other instructions, whose results differ a little by that alone.
///
/// * `used`: the instructions of each
pub(super) fn several<'a>(used: impl Iterator<Item = &'a str>) -> Option<Caveat> {
    let used: BTreeSet<&str> = used.collect();
    if used.len() < 2 {
        return None;
    }
    let listed: Vec<&str> = used.iter().copied().collect();
    let message = format!(
        "trials ran on machines with other instructions ({}): a part of their differences may be these; `constraint` in the profile of a \
         cluster avoids it",
        listed.join(", ")
    );
    Some(Caveat::new("several_machines", used.len(), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_machines_of_different_kinds_are_a_caveat() {
        assert_eq!(several(["avx2", "avx2"].into_iter()), None);
        let caveat = several(["avx512", "avx2", "avx2"].into_iter()).expect("two kinds");
        assert_eq!(caveat.count, 2);
        assert!(caveat.message.contains("(avx2, avx512)"), "{}", caveat.message);
    }
}
