//! Whatever way a table is written, the same cells are read.

use encoding_rs::WINDOWS_1252;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Utf8,
    Utf8Marked,
    Utf16Le,
    Utf16Be,
    Windows1252,
}

#[derive(Clone, Debug)]
struct Written {
    rows: Vec<(i64, Option<String>, Option<String>)>,
    delimiter: char,
    quote_all: bool,
    line_end: &'static str,
    encoding: Encoding,
    packing: u8,
}

fn field(text: &str, table: &Written) -> String {
    let special = text.contains([table.delimiter, '"', '\n', '\r']);
    if special || table.quote_all {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_string()
    }
}

fn encoded(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf8Marked => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        Encoding::Utf16Le => [0xff, 0xfe]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
            .collect(),
        Encoding::Utf16Be => [0xfe, 0xff]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_be_bytes))
            .collect(),
        Encoding::Windows1252 => WINDOWS_1252.encode(text).0.into_owned(),
    }
}

fn written(table: &Written) -> Vec<u8> {
    let d = table.delimiter;
    let mut text = format!("id{d}first name{d}other{}", table.line_end);
    for (id, a, b) in &table.rows {
        let a = field(a.as_deref().unwrap_or(""), table);
        let b = field(b.as_deref().unwrap_or(""), table);
        text += &format!("{id}{d}{a}{d}{b}{}", table.line_end);
    }
    let bytes = encoded(&text, table.encoding);
    match table.packing {
        0 => bytes,
        1 => gzip(&bytes),
        _ => zstd::encode_all(bytes.as_slice(), 1).unwrap(),
    }
}

/// Words that no rule takes for a number, a time or a missing value.
fn word() -> impl Strategy<Value = Option<String>> {
    let word = "[a-z,;|\t'\"\n éß0-9.-]{0,12}".prop_map(|rest| Some(format!("w{rest}x")));
    prop_oneof![1 => Just(None), 6 => word]
}

fn table() -> impl Strategy<Value = Written> {
    let encoding = prop_oneof![
        Just(Encoding::Utf8),
        Just(Encoding::Utf8Marked),
        Just(Encoding::Utf16Le),
        Just(Encoding::Utf16Be),
        Just(Encoding::Windows1252),
    ];
    (
        prop::collection::vec((any::<i64>(), word(), word()), 1..20),
        prop::sample::select(vec![',', ';', '\t', '|']),
        any::<bool>(),
        prop::sample::select(vec!["\n", "\r\n"]),
        encoding,
        0u8..3,
    )
        .prop_map(
            |(rows, delimiter, quote_all, line_end, encoding, packing)| Written {
                rows,
                delimiter,
                quote_all,
                line_end,
                encoding,
                packing,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_way_of_writing_gives_the_same_cells(table in table()) {
        let folder = Folder::with("table", written(&table));
        let mut settings = folder.settings(&["table"]);
        // Short texts do not carry enough to guess an old encoding from.
        settings.encoding =
            matches!(table.encoding, Encoding::Windows1252).then(|| "windows-1252".to_string());
        let read = open(&settings).unwrap();
        prop_assert_eq!(names(&read), vec!["id", "first name", "other"]);
        let expected: Vec<Vec<Option<String>>> = table
            .rows
            .iter()
            .map(|(id, a, b)| vec![Some(id.to_string()), a.clone(), b.clone()])
            .collect();
        prop_assert_eq!(cells(&read), expected);
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let settings = SourceSettings { max_bad_rows: BadRowLimit::Share(1.0), ..SourceSettings::default() };
        for format in [Format::Csv, Format::Tsv, Format::JsonLines] {
            let _ = read_text_bytes(&bytes, format, &settings);
        }
    }

    #[test]
    fn no_text_with_marks_makes_it_panic(text in "[a1,;\"'\n\r\u{0}\u{e9}\t|{}:.-]{0,200}") {
        let settings = SourceSettings { max_bad_rows: BadRowLimit::Share(1.0), ..SourceSettings::default() };
        for format in [Format::Csv, Format::Tsv, Format::JsonLines] {
            if let Ok(read) = read_text_bytes(text.as_bytes(), format, &settings) {
                prop_assert!(!read.schema.is_empty());
                let n_columns = read.schema.len();
                prop_assert!(read.batches.iter().all(|batch| batch.num_columns() == n_columns));
            }
        }
    }
}

#[test]
fn everything_can_be_forced() {
    let folder = Folder::with("a.txt", "1:'a:b'\n2:'c'\n");
    let settings = SourceSettings {
        delimiter: Some(b':'),
        quote: Some(b'\''),
        header: Some(false),
        encoding: Some("latin1".into()),
        ..folder.settings(&["a.txt"])
    };
    let table = open(&settings).unwrap();
    assert_eq!(names(&table), ["column_1", "column_2"]);
    assert_eq!(cells(&table), vec![row(&["1", "a:b"]), row(&["2", "c"])]);
    let headed = SourceSettings {
        header: Some(true),
        ..settings
    };
    assert_eq!(names(&open(&headed).unwrap()), ["1", "a:b"]);
}

#[test]
fn utf16_without_a_mark_is_found() {
    let text: Vec<u8> = "name,age\nJos\u{e9},1\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let table = Folder::with("a.csv", text).open("a.csv").unwrap();
    assert_eq!(cells(&table), vec![row(&["José", "1"])]);
}

#[test]
fn many_files_are_read_in_the_order_of_their_names() {
    let folder = Folder::with("b.csv", "x,y\n3,c\n");
    folder.add("a.csv.gz", gzip(b"x,y\n1,a\n2,b\n"));
    folder.add("c.tsv", "x\ty\n4.5\td\n");
    folder.add("notes.md", "not a table");
    for inputs in [vec![""], vec!["*.[ct]sv*"]] {
        let table = open(&folder.settings(&inputs)).unwrap();
        assert_eq!(types(&table), [ColumnType::Float, ColumnType::Text]);
        let second: Vec<_> = cells(&table)
            .into_iter()
            .map(|row| row[1].clone().unwrap())
            .collect();
        assert_eq!(second, ["a", "b", "c", "d"]);
        let rows: Vec<u64> = table.origins().iter().map(|origin| origin.rows).collect();
        assert_eq!(rows, [2, 1, 1]);
    }
    let twice = open(&folder.settings(&["b.csv", "b.csv"])).unwrap();
    assert_eq!(twice.n_rows(), 1);
}

#[test]
fn the_origin_holds_the_hash_of_the_bytes_on_disk() {
    let table = Folder::with("a.csv", "a,b\n1,2\n").open("a.csv").unwrap();
    let origin = &table.origins()[0];
    assert_eq!(origin.bytes, 8);
    assert_eq!(
        origin.sha256,
        "492d5ea496056f1a6a6592241032fab764c321596317930b4fa0e1e8bc3b7470"
    );
}

#[test]
fn dates_and_booleans_are_typed() {
    let text =
        "when,day,flag,code\n2020-02-29T12:00:00Z,31.12.1999,true,007\n,01.01.2000,FALSE,123\n";
    let table = Folder::with("a.csv", text).open("a.csv").unwrap();
    assert_eq!(
        types(&table),
        [
            ColumnType::Time,
            ColumnType::Time,
            ColumnType::Boolean,
            ColumnType::Text
        ]
    );
    let rows = cells(&table);
    assert_eq!(
        rows[0],
        row(&["2020-02-29T12:00:00", "1999-12-31T00:00:00", "true", "007"])
    );
    assert_eq!(rows[1], row(&["", "2000-01-01T00:00:00", "false", "123"]));
}

#[test]
fn a_large_file_comes_in_many_batches_in_order() {
    let mut text = String::from("id;value\n");
    for row in 0..30_000 {
        text += &format!("{row};{}\n", row * 2);
    }
    let table = Folder::with("a.csv", text).open("a.csv").unwrap();
    let batches: Vec<Batch> = table
        .batches(Some(&[0]))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(batches.len(), 4);
    assert_eq!(batches[3].first_row, 3 * 8_192);
    assert_eq!(
        cell(batches[3].columns.column(0), 0),
        Some((3 * 8_192).to_string())
    );
}

/// Data sets with the rows and columns that their descriptions state.
fn stated_data_sets() -> Vec<(PathBuf, u64, usize)> {
    let Some(root) = data_set("") else {
        return Vec::new();
    };
    let mut stated = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(readme) = std::fs::read_to_string(folder.join("README.md")) else {
            continue;
        };
        for line in readme.lines().filter_map(|line| line.strip_prefix("  - ")) {
            let Some((name, facts)) = line.split_once(": ") else {
                continue;
            };
            let words: Vec<&str> = facts.split_whitespace().collect();
            if let [_, "bytes,", rows, "rows", "x", columns, "columns"] = words.as_slice() {
                let facts = (rows.parse().unwrap(), columns.parse().unwrap());
                stated.push((folder.join(name), facts.0, facts.1));
            }
        }
    }
    stated.sort();
    stated
}

#[test]
fn real_tables_have_the_rows_and_columns_that_they_state() {
    for (path, n_rows, n_columns) in stated_data_sets() {
        let inputs = vec![path.to_string_lossy().into_owned()];
        let table = open(&SourceSettings {
            inputs,
            ..SourceSettings::default()
        })
        .unwrap();
        let shape = (table.n_rows(), table.schema().len(), table.n_bad_rows());
        let read_as = &table.origins()[0].read_as;
        assert_eq!(shape, (n_rows, n_columns, 0), "{}", path.display());
        assert!(
            read_as.ends_with("delimiter ',', header"),
            "{}: {read_as}",
            path.display()
        );
    }
}
