use proptest::prelude::{ProptestConfig, prop_assert, proptest};

use super::*;

const ENTITIES: &str = r#"[entities.user]
label = "PER"
values = ["Ann Lee", "Bö 🦀", "C"]

[entities.ip]
label = "IP"
values = ["192.0.2.1", "192.0.2.2"]
"#;

fn parse(templates: &str) -> Result<Templates, Vec<String>> {
    Templates::parse(&format!("{ENTITIES}\n[templates]\n{templates}"), Path::new("t.toml")).map_err(
        |error| match error {
            TemplatesError::Malformed { .. } => {
                error.to_string().lines().map(String::from).collect()
            }
            other => panic!("{other}"),
        },
    )
}

fn whole(text: &str) -> String {
    Templates::parse(text, Path::new("t.toml")).unwrap_err().to_string()
}

#[test]
fn every_filled_placeholder_is_an_entity_with_offsets_in_characters() {
    let templates = parse(r#"normal = ["é {user} from {ip}, {user}."]"#).unwrap();
    for example in templates.generate(50, 0.0, Rng::new(1)).unwrap() {
        let text: Vec<char> = example.text.chars().collect();
        let filled: Vec<String> = example
            .entities()
            .iter()
            .map(|entity| text[entity.start..entity.end].iter().collect())
            .collect();
        assert_eq!(
            example.entities().iter().map(|entity| entity.label.as_str()).collect::<Vec<_>>(),
            ["PER", "IP", "PER"]
        );
        assert_eq!(format!("é {} from {}, {}.", filled[0], filled[1], filled[2]), example.text);
        assert_eq!(filled[0], filled[2]);
    }
}

#[test]
fn a_further_placeholder_gets_a_different_value() {
    let templates = parse(r#"normal = ["{ip:b}>{ip}"]"#).unwrap();
    let texts: BTreeSet<String> = templates
        .generate(50, 0.0, Rng::new(1))
        .unwrap()
        .into_iter()
        .map(|example| example.text)
        .collect();
    assert_eq!(
        texts.into_iter().collect::<Vec<_>>(),
        ["192.0.2.1>192.0.2.2", "192.0.2.2>192.0.2.1"]
    );
}

#[test]
fn the_share_of_anomalies_is_exact_and_each_example_names_its_template() {
    let templates = parse("normal = [\"a {ip}\", \"b\"]\nanomaly = [\"c\"]").unwrap();
    let examples = templates.generate(1000, 0.3, Rng::new(42)).unwrap();
    assert_eq!(examples.iter().filter(|example| example.classes == anomaly(true)).count(), 300);
    let names: BTreeSet<(bool, &str)> = examples
        .iter()
        .map(|example| (example.classes == anomaly(true), example.fields["template"].as_str()))
        .collect();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        [(false, "normal-01"), (false, "normal-02"), (true, "anomaly-01")]
    );
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let templates = parse("normal = [\"a {ip} {user}\", \"b\"]\nanomaly = [\"{user} c\"]").unwrap();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| templates.generate(500, 0.3, Rng::new(42)).unwrap())
    };
    assert_eq!(with(1), with(3));
    assert_ne!(with(1), templates.generate(500, 0.3, Rng::new(43)).unwrap());
}

#[test]
fn doubled_braces_are_braces() {
    let templates = parse(r#"normal = ["{{{ip}}} {{}}"]"#).unwrap();
    let text = &templates.generate(1, 0.0, Rng::new(1)).unwrap()[0].text;
    assert!(text.starts_with("{192.0.2.") && text.ends_with("} {}"), "{text}");
}

#[test]
fn an_unknown_placeholder_is_an_error_at_its_place() {
    let expected = [
        "t.toml:10:17: unknown placeholder `{usr}`; did you mean `{user}`?",
        "t.toml:11:13: unknown placeholder `{zone}`; add `[entities.zone]` with `label` and `values`",
    ];
    assert_eq!(
        parse("normal = [\"from {usr}.\"]\nanomaly = [\"{zone} of {ip}\"]").unwrap_err(),
        expected
    );
}

#[test]
fn unbalanced_braces_are_errors() {
    for (template, problem) in [
        ("a {ip", "t.toml:10:14: `{` without `}`; write `{{` for a brace"),
        ("a {ip {user}", "t.toml:10:14: `{` without `}`; write `{{` for a brace"),
        ("a } b", "t.toml:10:14: `}` without `{`; write `}}` for a brace"),
        (
            "a {} b",
            "t.toml:10:14: `{}` is no placeholder; expected a name, or a name and what tells it apart as in `{ip:other}`; `{{` is a brace",
        ),
    ] {
        assert_eq!(parse(&format!("normal = [\"{template}\"]")).unwrap_err(), [problem]);
    }
}

#[test]
fn more_different_values_than_there_are_is_an_error() {
    assert_eq!(
        parse(r#"normal = ["{ip} {ip:a} {ip:b}"]"#).unwrap_err(),
        ["t.toml:10:24: `{ip:b}` needs a further value, but `ip` has only 2"]
    );
}

#[test]
fn a_template_that_stands_twice_is_an_error_even_across_the_lists() {
    assert_eq!(
        parse("normal = [\"a\", \"b\"]\nanomaly = [\"a\"]").unwrap_err(),
        ["t.toml:11:12: the template stands twice, first in line 10"]
    );
}

#[test]
fn empty_lists_and_values_are_errors_all_at_once() {
    let text = "[entities.a]\nlabel = \"A B\"\nvalues = []\n[entities.b]\nlabel = \"B\"\nvalues = [\" \", \"x\", \"x\"]\n[templates]\nnormal = []\n";
    let expected = [
        "t.toml:2:9: `label` of `a` holds ' ': labels have neither white space nor control characters",
        "t.toml:3:10: `a` has no values",
        "t.toml:6:11: a value of `b` is empty",
        "t.toml:6:21: value `x` of `b` stands twice, first in line 6",
        "t.toml:8:10: the list `normal` is empty; leave it out if there are no such templates",
    ];
    assert_eq!(whole(text).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_mistake_in_the_toml_is_located() {
    assert!(
        whole("[entities.a]\nlabel = 3\nvalues = []\n[templates]\n")
            .starts_with("t.toml:2:9: `label` of `a` must be a string, but this is an integer")
    );
    assert!(whole("[entities.a\n").starts_with("t.toml:1:12: "));
    assert_eq!(
        whole("[entities]\n[templates]\nodd = []\n"),
        "t.toml:3:1: `[templates]` has no key `odd`; it has `normal` and `anomaly`"
    );
    assert_eq!(
        whole("[entities]\n[templates]\n"),
        "t.toml:2:2: no templates; write lists `normal` and `anomaly`"
    );
}

#[test]
fn every_mistake_of_a_template_is_found_up_to_a_lost_brace() {
    let expected = [
        "t.toml:10:12: unknown placeholder `{usr}`; did you mean `{user}`?",
        "t.toml:10:18: unknown placeholder `{zone}`; add `[entities.zone]` with `label` and `values`",
        "t.toml:10:25: `}` without `{`; write `}}` for a brace",
    ];
    assert_eq!(parse("normal = [\"{usr} {zone} } {nobody}\"]").unwrap_err(), expected);
}

#[test]
fn a_file_without_templates_says_what_belongs_into_it() {
    for (text, problem) in [
        ("", "t.toml:1:1: the file is empty; a file of templates has"),
        ("# x\n", "t.toml:1:1: the file holds nothing but comments; "),
    ] {
        assert!(whole(text).starts_with(problem), "{}", whole(text));
    }
    assert_eq!(
        whole("[entities]\n"),
        "t.toml:1:1: the file lacks `templates`; write `[templates]` with lists `normal` and `anomaly`"
    );
}

#[test]
fn an_entity_with_a_mistake_makes_no_second_one_where_it_is_used() {
    let text = "[entities]\na = 3\nc = { values = [\"x\"] }\nb = { label = \"B\", value = [\"x\"] }\n[templates]\nnormal = [\"{a} {b} {b:other}\"]\n";
    let expected = [
        "t.toml:2:5: `entities.a` must be a table, but this is an integer",
        "t.toml:3:1: `entities.c` lacks `label`; write `label = \"C\"`",
        "t.toml:4:20: `entities.b` has no key `value`; did you mean `values`?",
    ];
    assert_eq!(whole(text).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn one_mistake_of_syntax_is_one_mistake() {
    assert_eq!(
        whole("[templates]\nnormal = [\"a\",\nanomaly = [\"b\"]\n[entities.x]\nlabel = \"X\"\n"),
        "t.toml:2:10: this bracket is never closed; add the one that closes it"
    );
    assert_eq!(whole("[templates]\nnormal = [a b]\nanomaly = [c]\n").lines().count(), 2);
}

#[test]
fn a_class_without_templates_cannot_be_asked_for() {
    let templates = parse(r#"normal = ["a"]"#).unwrap();
    let error = templates.generate(10, 0.3, Rng::new(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there are no `anomaly` templates, but the anomaly ratio of 0.3 asks for 3 such sentences"
    );
    assert!(matches!(
        templates.generate(10, f64::NAN, Rng::new(1)),
        Err(TemplatesError::Ratio { .. })
    ));
}

#[test]
fn unused_placeholders_are_known() {
    assert_eq!(parse(r#"normal = ["{ip}"]"#).unwrap().unused(), ["user"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn any_template_is_refused_or_filled_with_offsets_inside_the_text(template in "([a-é🦀 ]|\\{|\\}|\\{\\{|\\{ip\\}|\\{user:a\\}|:){0,12}") {
        let Ok(templates) = parse(&format!("normal = ['{template}']")) else { return Ok(()) };
        let example = &templates.generate(1, 0.0, Rng::new(1)).unwrap()[0];
        let length = example.text.chars().count();
        prop_assert!(example.entities().iter().all(|entity| entity.start < entity.end && entity.end <= length));
        prop_assert!(example.entities().windows(2).all(|pair| pair[0].end <= pair[1].start));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(\\[|\\]|entities|templates|\\.|=|\"|'|\n|a|é|\\{|\\}|normal|label|values){0,30}") {
        let _ = Templates::parse(&text, Path::new("t.toml"));
    }
}
