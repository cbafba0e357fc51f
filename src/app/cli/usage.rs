//! Command lines that clap does not take: what it says of them, in the form of the answer that was asked for.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::{Cli, Form, When};
use super::complain::complain;
use super::{Failure, terminal};
use crate::base::diagnostics;

/// Says what is wrong with the command line, or shows the help that was asked for. The exit codes are clap's own, 0 and 2, which are ours too.
pub fn refuse(error: &clap::Error) -> ExitCode {
    let color = terminal::colored(When::Auto);
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let form = asked_for(&words);
    let example = example(error, &words);
    if error.use_stderr() && form != Form::Text {
        let failure = unknown_command(error).unwrap_or_else(|| {
            failure(error).with_help_of(example.map(|example| format!("for example: {example}")))
        });
        complain(&failure, form, color);
    } else if let Some(failure) = unknown_command(error) {
        terminal::complain_of(&failure, color);
    } else {
        terminal::usage(error);
        if let Some(example) = example {
            terminal::complain(&format!("For example: {example}\n"));
        }
    }
    code
}

/// The form that an answer would have had, by the words of a command line that says nothing else for sure.
fn asked_for(words: &[OsString]) -> Form {
    let options = || words.iter().take_while(|word| *word != "--");
    let is_there = |option: &str| options().any(|word| word == option);
    match command(words) {
        _ if !is_there("--json") => Form::Text,
        Some(command) if command == "run" && !is_there("--dry-run") => Form::JsonLines,
        _ => Form::Json,
    }
}

/// The first word that is a command.
fn command(words: &[OsString]) -> Option<&OsStr> {
    let commands = Cli::command();
    words.iter().find(|word| commands.find_subcommand(word).is_some()).map(OsString::as_os_str)
}

/// What clap would print, from the parts that it knows: the mistake, then what may help, each by itself.
fn failure(error: &clap::Error) -> Failure {
    let known = |kind| known(error, kind).unwrap_or_default();
    let similar = |kind, what: &str| -> Vec<String> {
        match known(kind).as_slice() {
            [] => Vec::new(),
            [near] => vec![format!("a similar {what} exists: '{near}'")],
            several => vec![format!("some similar {what}s exist: '{}'", several.join("', '"))],
        }
    };
    let help = similar(ContextKind::SuggestedArg, "argument")
        .into_iter()
        .chain(similar(ContextKind::SuggestedValue, "value"))
        .chain(known(ContextKind::Suggested))
        .chain(known(ContextKind::Usage))
        .chain(["For more information, try '--help'.".to_owned()]);
    help.fold(Failure::usage(mistake(error)), Failure::with_help)
}

/// What is wrong, in clap's words.
fn mistake(error: &clap::Error) -> String {
    let known = |kind| known(error, kind).unwrap_or_default();
    let (arguments, value) =
        (known(ContextKind::InvalidArg), known(ContextKind::InvalidValue).concat());
    let argument = arguments.join(" ");
    match error.kind() {
        ErrorKind::UnknownArgument => format!("unexpected argument '{argument}' found"),
        ErrorKind::InvalidValue => {
            let valid = match known(ContextKind::ValidValue).join(", ") {
                none if none.is_empty() => none,
                valid => format!("\n  [possible values: {valid}]"),
            };
            if value.is_empty() {
                format!("a value is required for '{argument}' but none was supplied{valid}")
            } else {
                format!("invalid value '{value}' for '{argument}'{valid}")
            }
        }
        ErrorKind::ValueValidation => {
            let reason = error.source().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("invalid value '{value}' for '{argument}'{reason}")
        }
        ErrorKind::TooManyValues => {
            format!("unexpected value '{value}' for '{argument}' found; no more were expected")
        }
        ErrorKind::MissingRequiredArgument => format!(
            "the following required arguments were not provided:\n  {}",
            arguments.join("\n  ")
        ),
        ErrorKind::ArgumentConflict => match known(ContextKind::PriorArg).as_slice() {
            prior if prior == arguments => {
                format!("the argument '{argument}' cannot be used multiple times")
            }
            [prior] => format!("the argument '{argument}' cannot be used with '{prior}'"),
            several => format!(
                "the argument '{argument}' cannot be used with:\n  {}",
                several.join("\n  ")
            ),
        },
        kind if argument.is_empty() => kind.to_string(),
        kind => format!("{kind}: '{argument}'"),
    }
}

/// What clap knows of a mistake.
fn known(error: &clap::Error, kind: ContextKind) -> Option<Vec<String>> {
    Some(match error.get(kind)? {
        ContextValue::String(text) => vec![text.clone()],
        ContextValue::Strings(texts) => texts.clone(),
        ContextValue::StyledStr(text) => vec![text.to_string()],
        ContextValue::StyledStrs(texts) => texts.iter().map(ToString::to_string).collect(),
        _ => return None,
    })
}

/// A mistyped command, with the nearest there is: clap's own suggestion misses letters in the wrong order.
fn unknown_command(error: &clap::Error) -> Option<Failure> {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let command = Cli::command();
    let failure = Failure::usage(format!("there is no command `{name}`"));
    Some(match diagnostics::suggest(name, command.get_subcommands().map(clap::Command::get_name)) {
        Some(near) => failure.with_help(format!("did you mean `{near}`?")),
        None => failure.with_help("`pipeline --help` lists the commands"),
    })
}

/// How a command that lacks its file is written.
fn example(error: &clap::Error, words: &[OsString]) -> Option<String> {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let rest = match command(words)?.to_str()? {
        name @ ("run" | "plan" | "check" | "graph" | "show") => {
            format!("{name} experiments/tiny.toml")
        }
        "diff" => "diff experiments/small.toml experiments/large.toml".to_owned(),
        "explain" => "explain experiments/tiny.toml train".to_owned(),
        _ => return None,
    };
    Some(format!("pipeline {rest}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn who_asks_for_json_gets_it_however_wrong_the_rest_is() {
        let form = |line: &str| {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            asked_for(&words)
        };
        assert_eq!(form("plan --jsno x"), Form::Text);
        assert_eq!(form("plan --json --x"), Form::Json);
        assert_eq!(form("--color never run --json"), Form::JsonLines);
        assert_eq!(form("run --json --dry-run --x"), Form::Json);
        assert_eq!(form("pln --json"), Form::Json);
        assert_eq!(form("plan -- --json"), Form::Text);
    }

    #[test]
    fn a_mistake_told_in_json_has_the_words_that_are_printed() {
        let mistakes = [
            "plan --jsno x",
            "plan --json --prof x x",
            "plan --color blue x",
            "plan --color",
            "run --jobs 0 x",
            "plan",
            "diff one",
            "plan --json --json x",
            "completions bash zsh",
            "completions tcsh",
        ];
        for line in mistakes {
            let words = std::iter::once("pipeline").chain(line.split_whitespace());
            let error = Cli::try_parse_from(words).expect_err("a mistake");
            let Failure::Message { message, help, .. } = failure(&error) else { panic!("{line}") };
            let printed = error.render().to_string();
            let printed: Vec<&str> = printed.split_whitespace().collect();
            let tips = help.iter().map(|help| match help.starts_with(|c: char| c.is_lowercase()) {
                true => format!("tip: {help}"),
                false => help.clone(),
            });
            let told: Vec<String> =
                std::iter::once(format!("error: {message}")).chain(tips).collect();
            let told = told.join(" ");
            assert_eq!(told.split_whitespace().collect::<Vec<_>>(), printed, "{line}");
        }
    }
}
