//! Files of other programs, which hold no texts as they are: archives, documents, databases. They are known by how they begin.

/// What a file is, and what makes one of it that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is {is}")]
pub(super) struct Foreign {
    is: &'static str,
    pub(super) help: &'static str,
}

const UNPACK: &str =
    "unpack it, and name the files in it; one file packed by gzip or zstd is read as it is";
const EXPORT: &str = "export the table as CSV, from the program that made it or by `pandas.read_excel(\"...\").to_csv(\"texts.csv\", index=False)`";
const SAVE: &str = "save its texts as CSV or JSON lines: a text and its labels in each row";
const OPEN: &str = "open it with the program that made it, and save CSV or JSON lines: a text and its labels in each row";
const ARROW: &str =
    "write it as JSON lines: `datasets.Dataset.from_file(\"...\").to_json(\"texts.jsonl\")`";
const QUERY: &str =
    "export a table as CSV: `sqlite3 -header -csv FILE \"SELECT * FROM texts\" > texts.csv`";

const fn of(is: &'static str, help: &'static str) -> Foreign {
    Foreign { is, help }
}

/// How files begin.
const BEGINNINGS: &[(&[u8], Foreign)] = &[
    (b"PK\x05\x06", of("an empty ZIP archive", UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", of("a 7z archive", UNPACK)),
    (b"Rar!\x1a\x07", of("a RAR archive", UNPACK)),
    (b"BZh91AY&SY", of("packed by bzip2", UNPACK)),
    (b"\xfd7zXZ\x00", of("packed by xz", UNPACK)),
    (b"%PDF-", of("a PDF document", SAVE)),
    (b"{\\rtf", of("a document in Rich Text Format", SAVE)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", of("a document of an old Microsoft Office", EXPORT)),
    (b"SQLite format 3\x00", of("an SQLite database", QUERY)),
    (b"ARROW1\x00", of("an Arrow file", ARROW)),
    (b"\xff\xff\xff\xff", of("a stream of Arrow", ARROW)),
    (b"Obj\x01", of("an Avro file", OPEN)),
    (b"\x89HDF", of("an HDF5 file", OPEN)),
    (b"\x80\x02", of("a pickle of Python", OPEN)),
    (b"\x80\x03", of("a pickle of Python", OPEN)),
    (b"\x80\x04", of("a pickle of Python", OPEN)),
    (b"\x80\x05", of("a pickle of Python", OPEN)),
    (b"\x89PNG\r\n", of("a picture", SAVE)),
    (b"\xff\xd8\xff", of("a picture", SAVE)),
    (b"GIF87a", of("a picture", SAVE)),
    (b"GIF89a", of("a picture", SAVE)),
    (b"\x7fELF", of("a program", OPEN)),
];

/// What stands in a ZIP archive that is a document.
const IN_ZIP: &[(&[u8], Foreign)] = &[
    (b"xl/", of("a spreadsheet of Excel", EXPORT)),
    (b"opendocument.spreadsheet", of("an OpenDocument spreadsheet", EXPORT)),
    (b"word/", of("a document of Word", SAVE)),
    (b"opendocument.text", of("an OpenDocument text", SAVE)),
];

/// Where `tar` writes its name.
const TAR: std::ops::Range<usize> = 257..262;

/// How files begin that are marked up for another purpose.
const MARKED_UP: &[(&[u8], Foreign)] = &[
    (b"<?xml", of("XML", SAVE)),
    (b"<!doctype html", of("a page of HTML", SAVE)),
    (b"<html", of("a page of HTML", SAVE)),
];

impl Foreign {
    /// * `head`: how a file begins
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let begins = |(begin, _): &&(&[u8], Self)| head.starts_with(begin);
        if head.starts_with(b"PK\x03\x04") {
            let holds =
                |(name, _): &&(&[u8], Self)| head.windows(name.len()).any(|window| window == *name);
            let document = IN_ZIP.iter().find(holds).map(|(_, it)| *it);
            return Some(document.unwrap_or(of("a ZIP archive", UNPACK)));
        }
        if head.get(TAR) == Some(b"ustar") {
            return Some(of("a tar archive", UNPACK));
        }
        BEGINNINGS.iter().find(begins).map(|(_, it)| *it)
    }

    /// The same of what is text, and may be lines of a log all the same where somebody says so.
    pub(super) fn of_text(head: &[u8]) -> Option<Self> {
        let head = head.trim_ascii_start();
        let begins = |(begin, _): &&(&[u8], Self)| {
            head.get(..begin.len()).is_some_and(|it| it.eq_ignore_ascii_case(begin))
        };
        MARKED_UP.iter().find(begins).map(|(_, it)| *it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_programs_are_known_by_how_they_begin() {
        let is = |head: &[u8]| Foreign::of(head).map(|it| it.is);
        assert_eq!(is(b"PK\x03\x04....xl/workbook.xml"), Some("a spreadsheet of Excel"));
        assert_eq!(is(b"PK\x03\x04....lines.csv"), Some("a ZIP archive"));
        let tar = [&b"lines.csv"[..], &[0; 248], b"ustar\0"].concat();
        assert_eq!(is(&tar), Some("a tar archive"));
        assert_eq!(is(b"%PDF-1.7\n"), Some("a PDF document"));
        for text in [&b"PK was here\n"[..], b"{\"text\": \"a\"}\n", b"\xef\xbb\xbftext\n", b""] {
            assert_eq!(is(text), None);
        }
    }

    #[test]
    fn pages_and_xml_are_known_but_for_lines_that_begin_alike() {
        let is = |head: &[u8]| Foreign::of_text(head).map(|it| it.is);
        assert_eq!(is(b"\n<!DOCTYPE html>\n"), Some("a page of HTML"));
        assert_eq!(is(b"<?xml version=\"1.0\"?>"), Some("XML"));
        assert_eq!(is(b"<34>1 2003-10-11T22:14:15.003Z host su: x\n"), None);
    }
}
