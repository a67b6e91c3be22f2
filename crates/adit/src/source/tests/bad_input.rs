//! Bad input is a clear error or a counted warning.

use super::*;

fn error(name: &str, bytes: impl AsRef<[u8]>) -> SourceError {
    Folder::with(name, bytes).open(name).unwrap_err()
}

#[test]
fn a_missing_file_is_named() {
    let error = Folder::new().open("nowhere.csv").unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("nowhere.csv"));
    assert!(error.hint().is_some());
    let pattern = Folder::new().open("*.csv").unwrap_err();
    assert!(
        matches!(pattern, SourceError::NoMatch { .. }),
        "{pattern:?}"
    );
}

#[test]
fn an_empty_file_and_one_of_empty_lines_are_empty() {
    assert!(matches!(error("a.csv", ""), SourceError::Empty { .. }));
    assert!(matches!(
        error("a.csv", "\n \n\n"),
        SourceError::Empty { .. }
    ));
    assert!(matches!(error("a.jsonl", ""), SourceError::Empty { .. }));
    assert!(matches!(error("a.parquet", ""), SourceError::Empty { .. }));
    assert!(matches!(
        error("a.csv.gz", gzip(b"")),
        SourceError::Empty { .. }
    ));
}

#[test]
fn a_header_without_rows_has_no_rows() {
    let error = error("a.csv", "name,age\n");
    assert!(matches!(error, SourceError::NoRows { .. }), "{error:?}");
    assert!(error.to_string().contains("a.csv"));
}

#[test]
fn a_folder_without_tables_says_what_it_skipped() {
    let folder = Folder::with("README.md", "hello");
    let error = folder.open("").unwrap_err();
    assert!(error.to_string().contains("README.md"), "{error}");
}

#[test]
fn ragged_rows_are_kept_aside_with_line_and_reason() {
    let mut text = String::from("a,b,c\n");
    for row in 0..1_000 {
        text += &format!("{row},x,y\n");
        if row == 500 {
            text += "1,2\n";
        }
    }
    let folder = Folder::with("a.csv", text);
    let table = folder.open("a.csv").unwrap();
    assert_eq!((table.n_rows(), table.n_bad_rows()), (1_000, 1));
    let bad = &table.bad_rows()[0];
    assert_eq!((bad.line, bad.raw.as_str()), (503, "1,2"));
    assert_eq!(bad.reason, "2 fields instead of 3");
    assert_eq!(cells(&table).len(), 1_000);

    let strict = SourceSettings {
        max_bad_rows: BadRowLimit::Count(0),
        ..folder.settings(&["a.csv"])
    };
    let error = open(&strict).unwrap_err();
    assert!(error.to_string().contains("line 503"), "{error}");
    assert!(error.hint().unwrap().contains("--max-bad-rows"));
}

#[test]
fn lines_are_counted_over_quoted_line_ends_and_windows_line_ends() {
    let folder = Folder::with("a.csv", "a,b\r\n1,\"x\r\ny\"\r\n\r\n2\r\n3,z\r\n");
    let settings = SourceSettings {
        max_bad_rows: BadRowLimit::Count(1),
        ..folder.settings(&["a.csv"])
    };
    let table = open(&settings).unwrap();
    assert_eq!(table.bad_rows()[0].line, 5);
    assert_eq!(cells(&table), vec![row(&["1", "x\r\ny"]), row(&["3", "z"])]);
}

#[test]
fn rows_with_nul_bytes_are_bad() {
    let folder = Folder::with("a.csv", "a,b\n1,x\n2,\0y\n3,z\n");
    let settings = SourceSettings {
        max_bad_rows: BadRowLimit::Count(1),
        ..folder.settings(&["a.csv"])
    };
    let table = open(&settings).unwrap();
    assert_eq!(table.bad_rows()[0].reason, "a NUL byte in column 2");
    assert_eq!(table.n_rows(), 2);
    assert!(matches!(
        folder.open("a.csv"),
        Err(SourceError::TooManyBadRows { .. })
    ));
}

#[test]
fn a_quote_that_is_never_closed_costs_all_its_lines() {
    let mut text = String::from("a,b\n");
    for row in 0..100 {
        text += &format!("{row},x\n");
    }
    text += "100,\"open\n101,x\n102,x\n";
    let folder = Folder::with("a.csv", text);
    let settings = SourceSettings {
        max_bad_rows: BadRowLimit::Count(3),
        ..folder.settings(&["a.csv"])
    };
    let table = open(&settings).unwrap();
    assert_eq!((table.n_rows(), table.n_bad_rows()), (100, 3));
    assert!(table.bad_rows()[0].reason.contains("never closed"));
}

#[test]
fn a_wrong_encoding_is_guessed_or_counted() {
    let folder = Folder::with("a.csv", b"name,age\ncaf\xe9,1\nna\xefve,2\nplain,3\n");
    let table = folder.open("a.csv").unwrap();
    assert_eq!(cells(&table)[0], row(&["café", "1"]));
    assert!(
        table.warnings()[0].contains("windows-1252"),
        "{:?}",
        table.warnings()
    );
    assert!(table.origins()[0].read_as.contains("windows-1252"));

    let forced = SourceSettings {
        encoding: Some("utf-8".into()),
        ..folder.settings(&["a.csv"])
    };
    let error = open(&forced).unwrap_err();
    assert!(
        error.to_string().contains("not valid UTF-8 in column 1"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("encoding"));

    let unknown = SourceSettings {
        encoding: Some("klingon".into()),
        ..folder.settings(&["a.csv"])
    };
    assert!(matches!(
        open(&unknown),
        Err(SourceError::BadSetting { .. })
    ));
}

#[test]
fn one_damaged_row_does_not_change_the_encoding() {
    let mut text = Vec::from("name,age\n");
    for row in 0..200 {
        text.extend(format!("café,{row}\n").bytes());
    }
    text.extend(b"caf\xc3,7\n");
    let folder = Folder::with("a.csv", text);
    let table = folder.open("a.csv").unwrap();
    assert_eq!((table.n_rows(), table.n_bad_rows()), (200, 1));
    assert_eq!(table.bad_rows()[0].line, 202);
}

#[test]
fn a_number_column_with_words_is_text_and_says_where() {
    let mut text = String::from("id,x\n");
    for row in 0..100 {
        text += &format!("r{row},{}\n", if row == 40 { "broken" } else { "1.5" });
    }
    let table = Folder::with("a.csv", text).open("a.csv").unwrap();
    assert_eq!(types(&table), [ColumnType::Text, ColumnType::Text]);
    let profile = table.profile(&Silent).unwrap();
    assert_eq!(
        profile.columns[1].non_numeric,
        vec![(40, "broken".to_string())]
    );
    assert!(table.warnings()[0].contains("'x'") && table.warnings()[0].contains("row 40"));
}

#[test]
fn a_word_among_thousands_of_numbers_is_missing_and_says_where() {
    let mut text = String::from("id,x\n");
    for row in 0..2_000 {
        text += &format!("r{row},{}\n", if row == 40 { "broken" } else { "1.5" });
    }
    let table = Folder::with("a.csv", text).open("a.csv").unwrap();
    assert_eq!(types(&table), [ColumnType::Text, ColumnType::Float]);
    let profile = table.profile(&Silent).unwrap();
    assert_eq!(profile.columns[1].missing, 1);
    assert_eq!(
        profile.columns[1].non_numeric,
        vec![(40, "broken".to_string())]
    );
    assert!(table.warnings()[0].contains("read as missing"));
}

#[test]
fn repeated_and_empty_names_are_made_unique_with_a_warning() {
    let table = Folder::with("a.csv", "a,a,,a_2,a\n1,2,3,4,5\n")
        .open("a.csv")
        .unwrap();
    assert_eq!(names(&table), ["a", "a_3", "column_3", "a_2", "a_4"]);
    assert_eq!(table.warnings().len(), 3);
    assert_eq!(cells(&table), vec![row(&["1", "2", "3", "4", "5"])]);
}

#[test]
fn an_all_missing_column_is_text_without_values() {
    let table = Folder::with("a.csv", "a,b\n1,\n2,NA\n3, \n")
        .open("a.csv")
        .unwrap();
    assert_eq!(types(&table), [ColumnType::Integer, ColumnType::Text]);
    let profile = table.profile(&Silent).unwrap();
    assert_eq!(
        (profile.columns[1].missing, profile.columns[1].blanks),
        (3, 2)
    );
    assert_eq!(profile.columns[1].distinct, 0);
}

#[test]
fn ten_thousand_columns_are_read() {
    let header: Vec<String> = (0..10_000).map(|column| format!("c{column}")).collect();
    let mut text = header.join(",") + "\n";
    for row in 0..20 {
        let cells: Vec<String> = (0..10_000)
            .map(|column| (row * column).to_string())
            .collect();
        text += &(cells.join(",") + "\n");
    }
    let table = Folder::with("a.csv", text).open("a.csv").unwrap();
    assert_eq!((table.schema().len(), table.n_rows()), (10_000, 20));
    let some: Vec<Batch> = table
        .batches(Some(&[9_999, 3]))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(
        cell(some[0].columns.column(0), 19),
        Some((19 * 9_999).to_string())
    );
    assert_eq!(cell(some[0].columns.column(1), 19), Some("57".to_string()));
    let profile = table.profile(&Silent).unwrap();
    assert_eq!(profile.columns[1].max, Some(19.0));
}

#[test]
fn a_cell_of_ten_megabytes_is_read() {
    let long = "x".repeat(10 << 20);
    let table = Folder::with("a.csv", format!("a,b\n{long},1\nshort,2\n"))
        .open("a.csv")
        .unwrap();
    let rows = cells(&table);
    assert_eq!(rows[0][0].as_ref().map(String::len), Some(10 << 20));
    assert_eq!(rows[1], row(&["short", "2"]));
    let object = format!("{{\"a\":\"{long}\",\"b\":1}}\n{{\"a\":\"short\",\"b\":2}}\n");
    let table = Folder::with("a.jsonl", object).open("a.jsonl").unwrap();
    assert_eq!(cells(&table), rows);
}

#[test]
fn a_cell_beyond_the_limit_is_a_bad_row() {
    let text = format!("a,b\n1,x\n2,{}\n3,z\n", "y".repeat(65 << 20));
    let folder = Folder::with("a.csv", text);
    let settings = SourceSettings {
        max_bad_rows: BadRowLimit::Count(1),
        ..folder.settings(&["a.csv"])
    };
    let table = open(&settings).unwrap();
    assert_eq!(table.bad_rows()[0].reason, "a cell is over 64 MiB");
    assert_eq!(table.bad_rows()[0].raw.len(), 1_000);
    assert_eq!(cells(&table), vec![row(&["1", "x"]), row(&["3", "z"])]);
}

#[test]
fn truncated_packed_files_say_so() {
    let mut text = String::from("a,b\n");
    for row in 0..10_000 {
        text += &format!("{row},{}\n", row * 7_919 % 10_007);
    }
    for (name, packed) in [
        ("a.csv.gz", gzip(text.as_bytes())),
        ("a.csv.zst", zstd::encode_all(text.as_bytes(), 3).unwrap()),
    ] {
        let error = error(name, &packed[..packed.len() / 2]);
        assert!(matches!(error, SourceError::Truncated { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let mut damaged = gzip(text.as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let error = error("a.csv.gz", damaged);
    assert!(
        matches!(
            error,
            SourceError::Corrupt { .. } | SourceError::Truncated { .. }
        ),
        "{error:?}"
    );
}

#[test]
fn kinds_do_not_mix() {
    let folder = Folder::with("a.csv", "a,b\n1,2\n");
    folder.add("b.jsonl", "{\"a\":1,\"b\":2}\n");
    let error = folder.open("").unwrap_err();
    assert!(
        error.to_string().contains("CSV") && error.to_string().contains("JSON Lines"),
        "{error}"
    );
    let chosen = SourceSettings {
        format: Some(Format::Csv),
        ..folder.settings(&[""])
    };
    let table = open(&chosen).unwrap();
    assert_eq!(table.n_rows(), 1);
    assert!(table.warnings()[0].contains("skipped b.jsonl"));
}

#[test]
fn files_with_other_columns_are_refused_by_name() {
    let folder = Folder::with("a.csv", "a,b\n1,2\n");
    folder.add("b.csv", "a,c\n1,2\n");
    let error = folder.open("*.csv").unwrap_err();
    assert!(
        error.to_string().contains("it has 'c' and lacks 'b'"),
        "{error}"
    );
}

#[test]
fn other_kinds_of_files_are_refused_by_name() {
    let error = error("book.csv", b"PK\x03\x04rest of a workbook");
    assert!(error.to_string().contains("Excel"), "{error}");
    let array = self::error("a.json", "[{\"a\":1}]");
    assert!(array.hint().unwrap().contains("jq"), "{array}");
}

#[test]
fn a_file_that_changes_between_the_passes_is_refused() {
    let folder = Folder::with("a.csv", "a,b\n1,2\n3,4\n");
    let table = folder.open("a.csv").unwrap();
    folder.add("a.csv", "a,b\n1,2\n");
    let error = table.batches(None).unwrap().find_map(Result::err).unwrap();
    assert!(matches!(error, SourceError::Changed { .. }), "{error:?}");
}

#[test]
fn a_bad_json_line_is_kept_aside() {
    let folder = Folder::with(
        "a.jsonl",
        "{\"a\":1}\n[2]\n{\"a\":}\n\n{\"a\":3,\"b\":\"x\"}\n",
    );
    let settings = SourceSettings {
        max_bad_rows: BadRowLimit::Count(2),
        ..folder.settings(&["a.jsonl"])
    };
    let table = open(&settings).unwrap();
    assert_eq!(cells(&table), vec![row(&["1", ""]), row(&["3", "x"])]);
    let bad = table.bad_rows();
    assert_eq!(
        (bad[0].line, bad[0].reason.as_str()),
        (2, "not a JSON object")
    );
    assert!(
        bad[1].reason.starts_with("not valid JSON: expected value"),
        "{}",
        bad[1].reason
    );
}

#[test]
fn work_stops_when_it_is_cancelled() {
    struct Stop;
    impl crate::Watch for Stop {
        fn cancelled(&self) -> bool {
            true
        }
        fn progress(&self, _: &str, _: u64, _: u64, _: &str) {}
    }
    let folder = Folder::with("a.csv", "a,b\n1,2\n");
    let session = Session::new(1, None).unwrap();
    let stopped = Table::open(&folder.settings(&["a.csv"]), folder.path(), &session, &Stop);
    assert!(matches!(stopped, Err(SourceError::Cancelled)));
    assert_eq!(folder.file_names(), ["a.csv"]);
}

#[test]
fn a_column_that_is_not_there_cannot_be_read() {
    let table = Folder::with("a.csv", "a,b\n1,2\n").open("a.csv").unwrap();
    assert!(matches!(
        table.batches(Some(&[2])),
        Err(SourceError::NoSuchColumn { column: 2, .. })
    ));
}
