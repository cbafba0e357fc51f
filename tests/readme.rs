//! The README's reference of stage kinds is the table's, word for word.

use std::path::Path;

const BEGIN: &str = "<!-- kinds -->\n";
const END: &str = "<!-- /kinds -->";

/// `UPDATE_README=1 cargo test --test readme` writes it.
#[test]
fn the_reference_in_the_readme_is_that_of_the_table_of_kinds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).expect("README.md is there");
    let (before, rest) = text.split_once(BEGIN).expect("README.md has the line `<!-- kinds -->`");
    let (found, after) = rest.split_once(END).expect("README.md has the line `<!-- /kinds -->`");
    let wanted = format!("\n{}\n\n", pipeline::app::cli::kinds_markdown().trim());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}"))
            .expect("README.md can be written");
        return;
    }
    assert!(
        found == wanted,
        "the reference is not up to date; run: UPDATE_README=1 cargo test --test readme"
    );
}
