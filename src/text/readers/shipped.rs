//! Rules for logs that everybody has.

/// Linux and its services: RFC 3164, RFC 5424, and the lines that rsyslog and journald write with times of ISO 8601. What no program signs, such as
/// `last message repeated 3 times`, is all text behind the host.
pub(super) const SYSLOG: &str = r#"
line = [
    '^(?:<\d+>)?(?<timestamp>[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}) (?<host>\S+) (?<component>[^\s\[:]+)(?:\[(?<pid>\d+)\])?: (?<text>.*)$',
    '^(?:<\d+>)?(?<timestamp>\d{4}-\d\d-\d\dT\S+) (?<host>\S+) (?<component>[^\s\[:]+)(?:\[(?<pid>\d+)\])?: (?<text>.*)$',
    '^(?:<\d+>)?(?<timestamp>[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}) (?<host>\S+) (?<text>.*)$',
    '^<\d+>1 (?<timestamp>\S+) (?<host>\S+) (?<component>\S+) (?<pid>\S+) \S+ (?:-|\[.*?\]) ?(?<text>.*)$',
]
times = { timestamp = ["%b %e %H:%M:%S"] }

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

/// The access log of Apache and nginx, common and combined, and the error log of Apache.
pub(super) const APACHE: &str = r#"
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
