//! Rules that make texts of the lines of a log: what of a line is the text, what are fields, entities and classes.
//!
//! ```toml
//! extends = "syslog"                          # or "apache", "application": the rules here come first
//! line    = ['^(?<timestamp>\S+) (?<level>[A-Z]+) (?<text>.*)$']   # the first that fits; `text` is the text, other groups are fields
//! times   = { timestamp = ["%d/%b/%Y:%H:%M:%S %z"] }               # to ISO 8601, by which `order` sorts
//!                                             # (a time without a year is of 2000; of the next one where it steps back by half a year)
//!
//! [[entity]]                                  # earlier ones go first; the group `entity` is the entity, where there is one
//! label   = "IP"
//! pattern = '\b\d{1,3}(\.\d{1,3}){3}\b'
//!
//! [[field]]                                   # a field out of the text; the group `value` is its value, where there is one
//! name    = "session"
//! pattern = 'blk_-?\d+'
//!
//! [[class]]                                   # the first that fits says the class of its head; without a pattern, every line does
//! head    = "anomaly"
//! class   = "anomaly"
//! field   = "level"                           # where to look; without, in the text
//! pattern = 'FATAL|ERROR'
//! ```

use std::collections::BTreeMap;

use jiff::fmt::strtime::BrokenDownTime;
use regex::{Captures, Regex};
use serde::{Deserialize, Deserializer};

use super::labels::check_label;
use super::shipped;
use super::years;
use crate::text::Entity;

/// Rules as a file has them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    extends: Option<Shipped>,
    #[serde(default)]
    line: Vec<Pattern>,
    #[serde(default)]
    times: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    entity: Vec<EntityRule>,
    #[serde(default)]
    field: Vec<FieldRule>,
    #[serde(default)]
    class: Vec<ClassRule>,
}

/// Rules that come with the program.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Shipped {
    Syslog,
    Apache,
    Application,
}

impl Shipped {
    /// Those that are more likely of one line go first.
    pub const ALL: [Self; 3] = [Self::Application, Self::Syslog, Self::Apache];

    /// As experiment files spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syslog => "syslog",
            Self::Apache => "apache",
            Self::Application => "application",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityRule {
    #[serde(deserialize_with = "label")]
    label: String,
    pattern: Pattern,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldRule {
    name: String,
    pattern: Pattern,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassRule {
    head: String,
    class: String,
    field: Option<String>,
    pattern: Option<Pattern>,
}

/// A regular expression, compiled where it is read, so that a mistake in it has its place in the file.
#[derive(Debug, Clone)]
struct Pattern(Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Regex::new(&text).map(Self).map_err(|error| {
            let said = error.to_string();
            // The lines before it draw the pattern.
            let reason = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            serde::de::Error::custom(format!("the pattern `{text}` is none: {reason}"))
        })
    }
}

fn label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let label = String::deserialize(deserializer)?;
    check_label(&label)
        .map_err(|reason| serde::de::Error::custom(format!("the label `{label}` {reason}")))?;
    Ok(label)
}

/// What rules make of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) text: String,
    pub(super) entities: Option<Vec<Entity>>,
    pub(super) fields: Vec<(String, String)>,
    /// Whether no `line` fits, so that the whole line is the text.
    pub(super) is_whole: bool,
}

impl Rules {
    /// # Errors
    /// The first mistake, with its place in the text.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut rules: Self = toml::from_str(text)?;
        if let Some(shipped) = rules.extends {
            let Self { extends: _, line, times, entity, field, class } = Self::shipped(shipped);
            rules.line.extend(line);
            for (name, formats) in times {
                rules.times.entry(name).or_default().extend(formats);
            }
            rules.entity.extend(entity);
            rules.field.extend(field);
            rules.class.extend(class);
        }
        Ok(rules)
    }

    #[must_use]
    pub fn shipped(shipped: Shipped) -> Self {
        let text = match shipped {
            Shipped::Syslog => shipped::syslog(),
            Shipped::Apache => shipped::apache(),
            Shipped::Application => shipped::application(),
        };
        toml::from_str(&text).expect("the rules that come with the program are sound")
    }

    /// The heads whose classes rules say.
    pub fn heads(&self) -> impl Iterator<Item = &str> {
        self.class.iter().map(|rule| rule.head.as_str())
    }

    pub(super) fn read(&self, line: &str) -> Parsed {
        let found =
            self.line.iter().find_map(|Pattern(pattern)| Some((pattern, pattern.captures(line)?)));
        let mut parsed = Parsed { is_whole: found.is_none(), ..Parsed::default() };
        parsed.text = line.to_owned();
        if let Some((pattern, captures)) = found {
            for name in pattern.capture_names().flatten() {
                let Some(value) = captures.name(name).map(|value| value.as_str()) else { continue };
                if name == "text" {
                    parsed.text = value.to_owned();
                } else if !value.is_empty() {
                    parsed.fields.push((name.to_owned(), self.time(name, value)));
                }
            }
        }
        for FieldRule { name, pattern: Pattern(pattern) } in &self.field {
            if let Some(captures) = pattern.captures(&parsed.text) {
                parsed.fields.push((name.clone(), part(&captures, "value").as_str().to_owned()));
            }
        }
        parsed.entities = self.entities(&parsed.text);
        let classes = self.classes(&parsed);
        parsed.fields.extend(classes);
        parsed
    }

    /// A time as ISO 8601, where its field has formats and one of them fits; else the value as it is. Where it says no year, [`Years`](years::Years)
    /// know it.
    fn time(&self, field: &str, value: &str) -> String {
        let formats = self.times.get(field).map(Vec::as_slice).unwrap_or_default();
        let read = |format: &String| {
            let mut time = BrokenDownTime::parse(format, value).ok()?;
            if time.year().is_none() {
                time.set_year(Some(years::UNKNOWN)).ok()?;
            }
            match time.offset() {
                Some(_) => Some(time.to_timestamp().ok()?.to_string()),
                None => Some(time.to_datetime().ok()?.to_string()),
            }
        };
        formats.iter().find_map(read).unwrap_or_else(|| value.to_owned())
    }

    /// Nothing where no rule says entities.
    fn entities(&self, text: &str) -> Option<Vec<Entity>> {
        if self.entity.is_empty() {
            return None;
        }
        // In bytes; what an earlier rule has taken is not there for a later one.
        let mut taken: BTreeMap<usize, (usize, &str)> = BTreeMap::new();
        for EntityRule { label, pattern: Pattern(pattern) } in &self.entity {
            for captures in pattern.captures_iter(text) {
                let found = part(&captures, "entity");
                let before = taken.range(..found.end()).next_back();
                if before.is_none_or(|(_, (end, _))| *end <= found.start()) && !found.is_empty() {
                    taken.insert(found.start(), (found.end(), label));
                }
            }
        }
        let (mut byte, mut at) = (0, 0);
        let mut characters = |to: usize| {
            at += text[byte..to].chars().count();
            byte = to;
            at
        };
        let entity = |(start, (end, label)): (usize, (usize, &str))| Entity {
            start: characters(start),
            end: characters(end),
            label: label.to_owned(),
        };
        Some(taken.into_iter().map(entity).collect())
    }

    /// The class of each head that rules say, as fields.
    fn classes(&self, parsed: &Parsed) -> Vec<(String, String)> {
        let mut classes: Vec<(String, String)> = Vec::new();
        for ClassRule { head, class, field, pattern } in &self.class {
            if classes.iter().any(|(known, _)| known == head) {
                continue;
            }
            let place = match field {
                None => Some(parsed.text.as_str()),
                Some(field) => parsed
                    .fields
                    .iter()
                    .find(|(name, _)| name == field)
                    .map(|(_, value)| value.as_str()),
            };
            let fits = match pattern {
                None => true,
                Some(Pattern(pattern)) => place.is_some_and(|place| pattern.is_match(place)),
            };
            if fits {
                classes.push((head.clone(), class.clone()));
            }
        }
        classes
    }
}

/// What a group of this name holds, else the whole.
fn part<'t>(captures: &Captures<'t>, group: &str) -> regex::Match<'t> {
    captures.name(group).unwrap_or_else(|| captures.get(0).expect("a match is a whole"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(rules: &Rules, line: &str) -> (String, Vec<String>, Vec<String>) {
        let Parsed { text, entities, fields, is_whole } = rules.read(line);
        assert!(!is_whole, "{line}");
        let of = |entity: Entity| {
            let inside: String =
                text.chars().skip(entity.start).take(entity.end - entity.start).collect();
            format!("{inside}/{}", entity.label)
        };
        let entities = entities.unwrap_or_default().into_iter().map(of).collect();
        let fields = fields.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        (text, entities, fields)
    }

    #[test]
    fn syslog_of_three_standards_is_taken_apart() {
        let rules = Rules::shipped(Shipped::Syslog);
        let (text, entities, fields) = said(
            &rules,
            "Jun  9 06:06:20 combo sshd(pam_unix)[19939]: authentication failure; uid=0 rhost=218.188.2.4 user=root é /etc/x.conf 0x1f",
        );
        assert!(text.starts_with("authentication failure"));
        assert_eq!(
            entities,
            ["0/NUM", "218.188.2.4/IP", "root/USER", "/etc/x.conf/PATH", "0x1f/HEX"]
        );
        assert_eq!(
            fields,
            [
                "timestamp=0000-06-09T06:06:20",
                "host=combo",
                "component=sshd(pam_unix)",
                "pid=19939"
            ]
        );
        for line in [
            "<34>1 2003-10-11T22:14:15.003Z host su 7 ID47 - 'su root' failed",
            "2024-01-01T00:00:00.1+01:00 host kernel: link down",
        ] {
            let (_, _, fields) = said(&rules, line);
            assert!(fields[0].starts_with("timestamp=20"), "{fields:?}");
        }
        let repeated = "Jul 27 14:41:59 combo last message repeated 3 times";
        let (text, entities, fields) = said(&rules, repeated);
        assert_eq!(
            (text.as_str(), entities),
            ("last message repeated 3 times", vec!["3/NUM".into()])
        );
        assert_eq!(fields, ["timestamp=0000-07-27T14:41:59", "host=combo"]);
    }

    #[test]
    fn what_programs_write_of_themselves_is_taken_apart() {
        let rules = Rules::shipped(Shipped::Application);
        let (at, error) = ("timestamp=2026-03-01T08:00:01", "level=ERROR");
        for (line, text, expected) in [
            (
                "2026-03-01T08:00:01.5Z ERROR db.pool: gone",
                "gone",
                "timestamp=2026-03-01T08:00:01.5Z level=ERROR component=db.pool",
            ),
            (
                "2026-03-01 08:00:01,5 - db - ERROR - gone",
                "gone",
                &format!("{at}.5 component=db {error}"),
            ),
            ("ERROR:db.pool:gone", "gone", "level=ERROR component=db.pool"),
            (
                "2026-03-01 08:00:01.5 ERROR 47 --- [main] c.a.Db : gone",
                "gone",
                "timestamp=2026-03-01T08:00:01.5 level=ERROR pid=47 component=c.a.Db",
            ),
            (
                "2026-03-01 08:00:01,5 ERROR [main] c.a.Db - gone",
                "gone",
                &format!("{at}.5 {error} thread=main component=c.a.Db"),
            ),
            (
                "2026-03-01 08:00:01,5 [main] ERROR c.a.Db - gone",
                "gone",
                &format!("{at}.5 thread=main {error} component=c.a.Db"),
            ),
            (
                "[2026-03-01 08:00:01] app.ERROR: gone",
                "gone",
                "timestamp=2026-03-01T08:00:01 component=app level=ERROR",
            ),
            (
                "[2026-03-01 08:00:01] [error] it is gone",
                "it is gone",
                "timestamp=2026-03-01T08:00:01 level=error",
            ),
            (
                "2026/03/01 08:00:01 [error] 7#0: *3 gone",
                "gone",
                &format!("{at} level=error pid=7"),
            ),
            (
                "260301 080001 35 WARN dfs.Data: gone",
                "gone",
                &format!("{at} pid=35 level=WARN component=dfs.Data"),
            ),
            (
                "E0301 08:00:01.5 12 a.cc:7] gone",
                "gone",
                "level=E timestamp=0000-03-01T08:00:01.5 pid=12 component=a.cc",
            ),
            (
                "2026-03-01 08:00:01 WARNING disk is full",
                "disk is full",
                "timestamp=2026-03-01T08:00:01 level=WARNING",
            ),
            (
                "2026-03-01 08:00:01 Errors are none",
                "Errors are none",
                "timestamp=2026-03-01T08:00:01",
            ),
            ("[ERROR] gone", "gone", "level=ERROR"),
        ] {
            let (found, _, fields) = said(&rules, line);
            assert_eq!((found.as_str(), fields.join(" ").as_str()), (text, expected), "{line}");
        }
        assert!(rules.read("\tat com.acme.Db.connect(Db.java:77)").is_whole);
        let (_, _, fields) =
            said(&Rules::shipped(Shipped::Syslog), "2026-03-01T08:00:01Z ERROR db: gone");
        assert_eq!(fields[1..], ["level=ERROR", "component=db"]);
    }

    #[test]
    fn apache_of_both_logs_is_taken_apart() {
        let rules = Rules::shipped(Shipped::Apache);
        let (text, entities, fields) = said(
            &rules,
            r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif?x=1 HTTP/1.0" 200 2326"#,
        );
        assert_eq!(text, r#""GET /a.gif?x=1 HTTP/1.0" 200 2326"#);
        assert_eq!(entities, ["GET/METHOD", "/a.gif?x=1/PATH", "200/STATUS", "2326/NUM"]);
        assert!(fields.contains(&"timestamp=2000-10-10T20:55:36Z".to_owned()), "{fields:?}");
        let (text, _, fields) = said(
            &rules,
            "[Sun Dec 04 04:47:44 2005] [error] [client 1.2.3.4] Directory index forbidden by rule: /var/www/html/",
        );
        assert!(text.starts_with("Directory"));
        assert_eq!(fields, ["timestamp=2005-12-04T04:47:44", "level=error", "client=1.2.3.4"]);
    }

    #[test]
    fn rules_of_a_file_come_before_those_that_it_extends() {
        let rules = Rules::parse(
            "extends = \"syslog\"\n[[entity]]\nlabel = \"MINE\"\npattern = 'user=(?<entity>\\w+)'\n\
             [[field]]\nname = \"session\"\npattern = 'blk_(?<value>\\d+)'\n\
             [[class]]\nhead = \"anomaly\"\nclass = \"anomaly\"\npattern = 'fail'\n[[class]]\nhead = \"anomaly\"\nclass = \"normal\"\n",
        )
        .unwrap();
        let (_, entities, fields) = said(&rules, "Jun  9 06:06:20 a b: user=ann fail blk_7");
        assert_eq!(entities[0], "ann/MINE");
        assert_eq!(fields[3..], ["session=7".to_owned(), "anomaly=anomaly".to_owned()]);
        let (_, _, fields) = said(&rules, "Jun  9 06:06:20 a b: fine");
        assert_eq!(fields.last().map(String::as_str), Some("anomaly=normal"));
    }

    #[test]
    fn a_mistake_in_a_pattern_has_its_place() {
        let text = "line = ['(']\n";
        let error = Rules::parse(text).unwrap_err();
        assert_eq!(error.span(), Some(7..12), "{error}");
        assert!(Rules::parse("[[entity]]\nlabel = \"A B\"\npattern = 'x'\n").is_err());
    }
}
