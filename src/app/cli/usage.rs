//! Command lines that clap does not take: what it says of them, in the form of the answer that was asked for.

use std::ffi::OsString;
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
    let form = asked_for(std::env::args_os().skip(1));
    if error.use_stderr() && form != Form::Text {
        complain(&unknown_command(error).unwrap_or_else(|| failure(error)), form, color);
    } else if let Some(failure) = unknown_command(error) {
        terminal::complain_of(&failure, color);
    } else {
        terminal::usage(error);
        if let Some(example) = example(error) {
            terminal::complain(&format!("For example: {example}\n"));
        }
    }
    code
}

/// The form that an answer would have had, by the words of a command line that says nothing else for sure.
fn asked_for(words: impl Iterator<Item = OsString>) -> Form {
    let words: Vec<OsString> = words.take_while(|word| word != "--").collect();
    let is_there = |option: &str| words.iter().any(|word| word == option);
    let commands = Cli::command();
    match words.iter().find(|word| commands.find_subcommand(word).is_some()) {
        _ if !is_there("--json") => Form::Text,
        Some(command) if command == "run" && !is_there("--dry-run") => Form::JsonLines,
        _ => Form::Json,
    }
}

/// What clap would print: the mistake in its first paragraph, then what may help, each in one of its own.
fn failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n").map(str::trim).filter(|text| !text.is_empty());
    let message = paragraphs.next().unwrap_or_default();
    let failure = Failure::usage(message.strip_prefix("error: ").unwrap_or(message));
    let tips = paragraphs.map(|text| text.strip_prefix("tip: ").unwrap_or(text));
    tips.fold(failure, Failure::with_help)
        .with_help_of(example(error).map(|example| format!("for example: {example}")))
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
fn example(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return None };
    let usage = usage.to_string();
    let mut words = usage.split_whitespace().skip_while(|word| *word != "pipeline").skip(1);
    let rest = match words.next()? {
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
    use super::*;

    #[test]
    fn who_asks_for_json_gets_it_however_wrong_the_rest_is() {
        let form = |line: &str| asked_for(line.split_whitespace().map(OsString::from));
        assert_eq!(form("plan --jsno x"), Form::Text);
        assert_eq!(form("plan --json --x"), Form::Json);
        assert_eq!(form("--color never run --json"), Form::JsonLines);
        assert_eq!(form("run --json --dry-run --x"), Form::Json);
        assert_eq!(form("pln --json"), Form::Json);
        assert_eq!(form("plan -- --json"), Form::Text);
    }
}
