//! The same table in every format gives the same batches.

use arrow::array::{
    BinaryArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Int32Array,
    Int64Array, ListArray, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use parquet::arrow::ArrowWriter;

use super::*;

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_file(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

const CSV: &str = "id,score,name,ok,when\n\
    1,0.5,Ann,true,2020-01-02T03:04:05Z\n\
    2,,\"B, b\",false,\n\
    3,-1e-3,,,1969-12-31T23:59:59.5Z\n";

fn all_batches(table: &Table) -> Vec<RecordBatch> {
    table
        .batches(None)
        .unwrap()
        .map(|batch| batch.unwrap().columns)
        .collect()
}

#[test]
fn every_format_gives_the_same_batches() {
    let folder = Folder::with("t.csv", CSV);
    let reference = all_batches(&folder.open("t.csv").unwrap());
    assert_eq!(reference.len(), 1);
    let batch = &reference[0];
    let tsv = CSV
        .replace("\"B, b\"", "B; b")
        .replace(',', "\t")
        .replace("B; b", "B, b");
    folder.add("t.tsv", &tsv);
    folder.add(
        "t.jsonl",
        "{\"id\":1,\"score\":0.5,\"name\":\"Ann\",\"ok\":true,\"when\":\"2020-01-02T03:04:05Z\"}\n\
         {\"id\":2,\"score\":null,\"name\":\"B, b\",\"ok\":false}\n\
         {\"id\":3,\"score\":-1e-3,\"when\":\"1969-12-31T23:59:59.5Z\"}\n",
    );
    folder.add("t.parquet", parquet(batch));
    folder.add("t.arrow", arrow_file(batch));
    folder.add("stream", arrow_stream(batch));
    for name in [
        "t.csv",
        "t.tsv",
        "t.jsonl",
        "t.parquet",
        "t.arrow",
        "stream",
    ] {
        let plain = std::fs::read(folder.path().join(name)).unwrap();
        folder.add("packed.gz", gzip(&plain));
        folder.add("packed.zst", zstd::encode_all(plain.as_slice(), 3).unwrap());
        for file in [name, "packed.gz", "packed.zst"] {
            let table = folder.open(file).unwrap();
            assert_eq!(all_batches(&table), reference, "{name} as {file}");
            assert_eq!(table.n_rows(), 3);
            let some: Vec<_> = table
                .batches(Some(&[4, 0]))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert_eq!(some[0].columns, batch.project(&[4, 0]).unwrap());
        }
    }
}

#[test]
fn two_passes_at_once_do_not_disturb_each_other() {
    let folder = Folder::with("t.csv", CSV);
    let batch = all_batches(&folder.open("t.csv").unwrap()).remove(0);
    folder.add("t.parquet.gz", gzip(&parquet(&batch)));
    let table = folder.open("t.parquet.gz").unwrap();
    let (mut a, mut b) = (table.batches(None).unwrap(), table.batches(None).unwrap());
    assert_eq!(
        a.next().unwrap().unwrap().columns,
        b.next().unwrap().unwrap().columns
    );
    assert!(a.next().is_none() && b.next().is_none());
}

#[test]
fn the_spool_is_gone_with_the_table() {
    let folder = Folder::with("t.csv", CSV);
    let batch = all_batches(&folder.open("t.csv").unwrap()).remove(0);
    folder.add("t.parquet.gz", gzip(&parquet(&batch)));
    let spool = tempfile::tempdir().unwrap();
    let session = Session::new(1, None).unwrap();
    let settings = folder.settings(&["t.parquet.gz"]);
    let table = Table::open(&settings, spool.path(), &session, &Silent).unwrap();
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 1);
    drop(table);
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
}

#[test]
fn foreign_types_become_the_five_of_the_room() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let dictionary: DictionaryArray<Int32Type> = ["a", "b"].into_iter().collect();
    let columns: Vec<(&str, ArrayRef, ColumnType, [&str; 2])> = vec![
        (
            "i",
            Arc::new(Int32Array::from(vec![Some(1), None])),
            ColumnType::Integer,
            ["1", ""],
        ),
        (
            "u",
            Arc::new(UInt64Array::from(vec![1, 2])),
            ColumnType::Integer,
            ["1", "2"],
        ),
        (
            "big",
            Arc::new(UInt64Array::from(vec![u64::MAX, 2])),
            ColumnType::Float,
            ["1.8446744073709552e19", "2.0"],
        ),
        (
            "nan",
            Arc::new(Float32Array::from(vec![f32::NAN, 2.5])),
            ColumnType::Float,
            ["", "2.5"],
        ),
        (
            "decimal",
            Arc::new(
                Decimal128Array::from(vec![150, -25])
                    .with_precision_and_scale(9, 2)
                    .unwrap(),
            ),
            ColumnType::Float,
            ["1.5", "-0.25"],
        ),
        (
            "day",
            Arc::new(Date32Array::from(vec![1, 0])),
            ColumnType::Time,
            ["1970-01-02T00:00:00", "1970-01-01T00:00:00"],
        ),
        (
            "zoned",
            Arc::new(
                TimestampNanosecondArray::from(vec![0, 1_500_000_000]).with_timezone("+02:00"),
            ),
            ColumnType::Time,
            ["1970-01-01T00:00:00", "1970-01-01T00:00:01.500"],
        ),
        (
            "dictionary",
            Arc::new(dictionary),
            ColumnType::Text,
            ["a", "b"],
        ),
        ("list", Arc::new(list), ColumnType::Text, ["[1,null]", ""]),
        (
            "bytes",
            Arc::new(BinaryArray::from_vec(vec![b"\x01\xff", b""])),
            ColumnType::Text,
            ["01ff", " "],
        ),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array, _, _)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns
        .iter()
        .map(|(_, array, _, _)| Arc::clone(array))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let folder = Folder::with("t.parquet", parquet(&batch));
    folder.add("t.arrow", arrow_file(&batch));
    for name in ["t.parquet", "t.arrow"] {
        let table = folder.open(name).unwrap();
        let rows = cells(&table);
        for (position, (column, _, wanted, shown)) in columns.iter().enumerate() {
            assert_eq!(table.schema()[position].column_type, *wanted, "{column}");
            for (at, expected) in shown.iter().enumerate() {
                let expected = match *expected {
                    "" => None,
                    " " => Some(String::new()),
                    other => Some(other.to_string()),
                };
                assert_eq!(rows[at][position], expected, "{column} in {name}");
            }
        }
    }
}

#[test]
fn truncated_parquet_and_arrow_say_so_with_the_path() {
    let values: Int64Array = (0..10_000).collect();
    let text: StringArray = (0..10_000).map(|row| Some(format!("row {row}"))).collect();
    let batch =
        RecordBatch::try_from_iter([("a", Arc::new(values) as ArrayRef), ("b", Arc::new(text))])
            .unwrap();
    for (name, bytes) in [
        ("t.parquet", parquet(&batch)),
        ("t.arrow", arrow_file(&batch)),
    ] {
        for end in [6, bytes.len() / 2, bytes.len() - 1] {
            let error = Folder::with(name, &bytes[..end]).open(name).unwrap_err();
            let known = matches!(
                error,
                SourceError::Truncated { .. } | SourceError::Corrupt { .. }
            );
            assert!(known, "{name} cut at {end}: {error:?}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let packed = gzip(&bytes);
        let error = Folder::with("t.gz", &packed[..packed.len() - 20])
            .open("t.gz")
            .unwrap_err();
        assert!(matches!(error, SourceError::Truncated { .. }), "{error:?}");
    }
}

#[test]
fn damaged_parquet_never_loses_rows_in_silence() {
    let values: Int64Array = (0..5_000).map(|row| row * 7_919 % 5_003).collect();
    let batch = RecordBatch::try_from_iter([("a", Arc::new(values) as ArrayRef)]).unwrap();
    let bytes = parquet(&batch);
    for at in (4..bytes.len()).step_by(bytes.len() / 40) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let folder = Folder::with("t.parquet", damaged);
        let Ok(table) = folder.open("t.parquet") else {
            continue;
        };
        let mut n_read = 0;
        let mut failed = false;
        for batch in table.batches(None).unwrap() {
            match batch {
                Ok(batch) => n_read += batch.columns.num_rows() as u64,
                Err(_) => failed = true,
            }
        }
        assert!(failed || n_read == table.n_rows(), "damaged at {at}");
    }
}

#[test]
fn a_csv_that_is_called_parquet_is_refused() {
    let folder = Folder::with("t.bin", "a,b\n1,2\n");
    let settings = SourceSettings {
        format: Some(Format::Parquet),
        ..folder.settings(&["t.bin"])
    };
    assert!(matches!(open(&settings), Err(SourceError::Corrupt { .. })));
}

#[test]
fn whole_and_broken_numbers_of_two_files_are_floats() {
    let folder = Folder::new();
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let broken: ArrayRef = Arc::new(Float32Array::from(vec![2.5]));
    folder.add(
        "a.parquet",
        parquet(&RecordBatch::try_from_iter([("x", whole)]).unwrap()),
    );
    folder.add(
        "b.parquet",
        parquet(&RecordBatch::try_from_iter([("x", broken)]).unwrap()),
    );
    let table = folder.open("").unwrap();
    assert_eq!(cells(&table), vec![row(&["1.0"]), row(&["2.5"])]);
    let words: ArrayRef = Arc::new(StringArray::from(vec!["w"]));
    folder.add(
        "c.parquet",
        parquet(&RecordBatch::try_from_iter([("x", words)]).unwrap()),
    );
    let error = folder.open("").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("'x' is of type text instead of float"),
        "{error}"
    );
}
