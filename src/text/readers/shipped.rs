//! Rules for logs that everybody has. In patterns, `TIME`, `LEVEL` and `NAME` stand for what they are written out as below.

/// The rules for Linux and its services: RFC 3164, RFC 5424, and the lines that rsyslog and journald write with times of ISO 8601. What no program signs,
/// such as `last message repeated 3 times`, is all text behind the host; a line with a level in the place of the host is one of [`application`].
pub(super) fn syslog() -> String {
    written_out(SYSLOG) + PARAMETERS
}

/// The rules for the access log of Apache and nginx, common and combined, and the error log of Apache.
pub(super) fn apache() -> String {
    APACHE.to_owned()
}

/// The rules for what programs write of themselves: a time, a level, a component and a message, in the forms of the libraries that most use.
pub(super) fn application() -> String {
    written_out(APPLICATION) + PARAMETERS
}

fn written_out(text: &str) -> String {
    text.replace("TIME", TIME).replace("LEVEL", LEVEL).replace("NAME", NAME)
}

/// A date and a time.
const TIME: &str =
    r"(?<timestamp>\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)";

/// How grave a line is.
const LEVEL: &str = r"(?<level>(?i:trace|debug|info|notice|warn|warning|error|err|severe|critical|crit|fatal|alert|emerg|panic))";

/// Who speaks.
const NAME: &str = r"(?<component>[\w.$/-]+)";

const SYSLOG: &str = r#"
line = [
    '^(?<timestamp>\d{4}-\d\d-\d\dT\S+) +LEVEL +(?:NAME(?:\[(?<pid>\d+)\])?: )?(?<text>.*)$',
    '^(?:<\d+>)?(?<timestamp>[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}) (?<host>\S+) (?<component>[^\s\[:]+)(?:\[(?<pid>\d+)\])?: (?<text>.*)$',
    '^(?:<\d+>)?(?<timestamp>\d{4}-\d\d-\d\dT\S+) (?<host>\S+) (?<component>[^\s\[:]+)(?:\[(?<pid>\d+)\])?: (?<text>.*)$',
    '^(?:<\d+>)?(?<timestamp>[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}) (?<host>\S+) (?<text>.*)$',
    '^<\d+>1 (?<timestamp>\S+) (?<host>\S+) (?<component>\S+) (?<pid>\S+) \S+ (?:-|\[.*?\]) ?(?<text>.*)$',
]
times = { timestamp = ["%b %e %H:%M:%S"] }

"#;

const APPLICATION: &str = r#"
line = [
    # Spring Boot
    '^TIME +LEVEL (?<pid>\d+) --- (?:\[[^\]]*\] ?)*(?<component>\S+) *: (?<text>.*)$',
    # log4j and logback, with the thread after the level or before it
    '^\[?TIME\]? +\[?LEVEL\]? +\[(?<thread>[^\]]*)\] NAME(?::\d+)? *[-:] (?<text>.*)$',
    '^\[?TIME\]? +\[(?<thread>[^\]]*)\] +LEVEL +NAME(?::\d+)? *[-:] (?<text>.*)$',
    # Python's logging
    '^TIME - (?<component>\S+) - LEVEL - (?<text>.*)$',
    '^LEVEL:(?<component>[\w.-]+):(?<text>.*)$',
    # Monolog
    '^\[TIME\] (?<component>[\w.-]+)\.LEVEL: (?<text>.*)$',
    # the error log of nginx
    '^TIME \[LEVEL\] (?<pid>\d+)#\d+: (?:\*\d+ )?(?<text>.*)$',
    # Hadoop and Spark
    '^(?<timestamp>\d{6} \d{6}|\d\d/\d\d/\d\d \d\d:\d\d:\d\d) (?:(?<pid>\d+) )?LEVEL (?<component>\S+): (?<text>.*)$',
    # glog and klog
    '^(?<level>[IWEF])(?<timestamp>\d{4} \d\d:\d\d:\d\d\.\d+) +(?<pid>\d+) (?<component>[^\s:\]]+):\d+\] (?<text>.*)$',
    # logfmt
    '^time="?TIME"? level=LEVEL (?<text>.*)$',
    # a time, a level, perhaps who speaks, and a message
    '^\[?TIME\]?:? +\[?LEVEL\b\]?:? +(?:- )?NAME(?:\[(?<pid>\d+)\])?(?: -|:) (?<text>.*)$',
    '^\[?TIME\]?:? +\[?LEVEL\b\]?:? *(?:- )?(?<text>.*)$',
    # a level and a message
    '^\[?LEVEL\b(?:\]|:) *(?<text>.*)$',
    # a time and a message
    '^\[?TIME\]?:? (?<text>.*)$',
]
times = { timestamp = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S,%f", "%Y-%m-%d %H:%M:%S%.f %z", "%Y/%m/%d %H:%M:%S%.f", "%y%m%d %H%M%S", "%y/%m/%d %H:%M:%S", "%m%d %H:%M:%S%.f"] }

"#;

/// What in the lines of any program are parameters.
const PARAMETERS: &str = r#"
[[entity]]
label   = "URL"
pattern = '\b[a-z][a-z0-9+.-]*://[^\s"<>]+'
[[entity]]
label   = "EMAIL"
pattern = '\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b'
[[entity]]
label   = "UUID"
pattern = '\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b'
[[entity]]
label   = "MAC"
pattern = '\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}\b'
[[entity]]
label   = "IP"
pattern = '\b\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b'
[[entity]]
label   = "USER"
pattern = '\buser[ =](?<entity>[\w.-]+)'
[[entity]]
label   = "PATH"
pattern = '(?:^|[\s"=(\[])(?<entity>/[\w.+@%-]+(?:/[\w.+@%-]*)*)'
[[entity]]
label   = "HEX"
pattern = '\b0x[0-9a-fA-F]+\b'
[[entity]]
label   = "NUM"
pattern = '\b\d+(?:\.\d+)?\b'
"#;

const APACHE: &str = r#"
line = [
    '^(?<client>\S+) \S+ (?<user>\S+) \[(?<timestamp>[^\]]+)\] (?<text>"[^"]*" (?<status>\d{3}) (?:\d+|-))(?: "(?<referer>[^"]*)" "(?<agent>[^"]*)")?',
    '^\[(?<timestamp>[A-Z][a-z]{2} [^\]]+)\] \[(?:(?<component>\w+):)?(?<level>\w+)\] (?:\[pid (?<pid>\d+)[^\]]*\] )?(?:\[client (?<client>[^\]]+)\] )?(?<text>.*)$',
]
times = { timestamp = ["%d/%b/%Y:%H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S%.f %Y"] }

[[entity]]
label   = "METHOD"
pattern = '^"(?<entity>[A-Z]+) '
[[entity]]
label   = "STATUS"
pattern = '^"[^"]*" (?<entity>\d{3})\b'
[[entity]]
label   = "URL"
pattern = '\b[a-z][a-z0-9+.-]*://[^\s"<>]+'
[[entity]]
label   = "PATH"
pattern = '(?:^|[\s"=(\[])(?<entity>/[^\s"]*)'
[[entity]]
label   = "IP"
pattern = '\b\d{1,3}(?:\.\d{1,3}){3}\b'
[[entity]]
label   = "NUM"
pattern = '(?:^|\s)(?<entity>\d+)\b'
"#;
