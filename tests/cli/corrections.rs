//! Lines of corrections that are about one text.

use crate::readers::corrected;

#[test]
fn lines_about_one_text_that_agree_are_one_and_others_are_all_listed() {
    let by_text = |number: usize, anomaly: usize| {
        format!("{{\"text\": \"line {number}\", \"anomaly\": {anomaly}}}\n")
    };
    let by_id = |number: usize, anomaly: usize| {
        format!("{{\"id\": {number}, \"text\": \"line {number}\", \"anomaly\": {anomaly}}}\n")
    };
    let agreeing = [by_id(1, 0), by_text(1, 0), by_id(1, 0)].concat();
    let said = corrected(&agreeing, "");
    assert!(said.contains("1 text was looked at again: 1 with another `anomaly` now"), "{said}");
    assert!(!said.contains("fits no text"), "{said}");
    let contradicting = [by_id(1, 0), by_text(1, 1), by_text(2, 1), by_text(2, 0)].concat();
    let said = corrected(&contradicting, "");
    for (line, of) in [(2, "fixes.jsonl:1 (`id` `1`)"), (4, "fixes.jsonl:3")] {
        let text = format!("fixes.jsonl:{line}:1: the text is corrected in ");
        assert!(said.contains(&text) && said.contains(&format!("{of} already")), "{text}\n{said}");
    }
    let nowhere: String = (20..50).map(|number| by_id(number, 1)).collect();
    let said = corrected(&format!("{}{nowhere}", by_id(1, 0)), "");
    for text in ["30 of 31 corrections fit no text", "fixes.jsonl:21 (`id` `39`), 10 more"] {
        assert!(said.contains(text), "{text}\n{said}");
    }
}
