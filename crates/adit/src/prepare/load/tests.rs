use super::super::{
    PrepareSettings, RoleSettings, SplitSettings, TestPart, assign_roles, guess_task, split,
    suspicions,
};
use super::*;
use crate::engine::Session;
use crate::source::SourceSettings;
use adit_nn::watch::Silent;
use std::path::Path;

/// A table of a file with these bytes; the folder must outlive it.
fn table(folder: &Path, name: &str, text: &str) -> Table {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    open(&path, folder)
}

fn open(path: &Path, spool: &Path) -> Table {
    let settings = SourceSettings {
        inputs: vec![path.to_string_lossy().into_owned()],
        ..SourceSettings::default()
    };
    let session = Session::new(1, None).unwrap();
    Table::open(&settings, spool, &session, &Silent).unwrap()
}

fn roles(pairs: &[(&str, Role)]) -> Vec<ColumnRole> {
    pairs
        .iter()
        .map(|&(name, role)| ColumnRole {
            name: name.into(),
            role,
            reason: "given".into(),
        })
        .collect()
}

fn strings(cells: &[&str]) -> Values {
    Values::Strings(cells.iter().map(|cell| Some(cell.to_string())).collect())
}

#[test]
fn each_type_is_loaded_as_its_role_says() {
    let folder = tempfile::tempdir().unwrap();
    let text = "n,f,b,w,t,skip,y\n1,0.5,true,a b,2020-01-01,z,1\n2,,false,,2020-01-02,z,0\n";
    let table = table(folder.path(), "a.csv", text);
    let load = |role: Role| {
        let all: Vec<(&str, Role)> = vec![
            ("n", role),
            ("f", role),
            ("b", role),
            ("w", Role::Text),
            ("t", Role::Time),
            ("skip", Role::Ignore),
            ("y", Role::Target),
        ];
        load(&table, &roles(&all)).unwrap()
    };
    let rows = load(Role::Category);
    assert_eq!(rows.row_ids, [0, 1]);
    let names: Vec<&str> = rows.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["n", "f", "b", "w", "t", "y"]);
    assert_eq!(rows.columns[0].values, strings(&["1", "2"]));
    assert_eq!(
        rows.columns[1].values,
        Values::Strings(vec![Some("0.5".into()), None])
    );
    assert_eq!(rows.columns[2].values, strings(&["true", "false"]));
    assert_eq!(
        rows.columns[4].values,
        Values::Times(vec![Some(1_577_836_800_000), Some(1_577_923_200_000)])
    );
    assert_eq!(rows.columns[5].values, Values::Numbers(vec![1.0, 0.0]));
    let rows = load(Role::Number);
    assert_eq!(rows.columns[2].values, Values::Numbers(vec![1.0, 0.0]));
    assert!(rows.columns[1].values.is_missing(1));
}

#[test]
fn a_few_words_among_numbers_are_missing_and_counted_and_many_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let column = |words: usize| {
        let cells = (0..20).map(|i| {
            if i < words {
                "unknown\n".into()
            } else {
                format!("{i}.5\n")
            }
        });
        format!(
            "x,y\n{}",
            cells.map(|cell| format!("1,{cell}")).collect::<String>()
        )
    };
    let wanted = roles(&[("y", Role::Number)]);
    let few = table(folder.path(), "few.csv", &column(2));
    let (rows, found) = load_counted(&few, &wanted, Words::Missing).unwrap();
    assert!(rows.columns[0].values.is_missing(1) && !rows.columns[0].values.is_missing(2));
    assert_eq!(
        (found[0].count, &found[0].examples[1]),
        (2, &(1, "unknown".to_string()))
    );
    let message = "column `y` should hold numbers, but 2 of its cells do not: row 0 holds `unknown`, row 1 holds `unknown`";
    let refused = load_counted(&few, &wanted, Words::Refused).unwrap_err();
    assert_eq!(refused.to_string(), message);
    let many = table(folder.path(), "many.csv", &column(3));
    assert!(
        load(&many, &wanted)
            .unwrap_err()
            .to_string()
            .contains("3 of its cells")
    );
}

#[test]
fn new_tables_are_read_with_the_types_of_training() {
    let folder = tempfile::tempdir().unwrap();
    let train = table(
        folder.path(),
        "train.csv",
        "x,k,y\n1.5,1,a\n2.5,2,b\n3.5,1,a\n4,2,b\n",
    );
    let wanted = roles(&[
        ("x", Role::Number),
        ("k", Role::Category),
        ("y", Role::Target),
    ]);
    let rows = load(&train, &wanted).unwrap();
    let settings = PrepareSettings::new(super::super::Task::Classify);
    let preparation = Preparation::fit(&rows, &[0, 1, 2, 3], &settings).unwrap();
    // Blank numbers arrive as text, whole categories as floats.
    let new = table(folder.path(), "new.csv", "k,x\n2.0,\n1.0,\n");
    let dataset = preparation
        .apply(&preparation.load(&new, true).unwrap())
        .unwrap();
    assert_eq!(dataset.categories[0].codes, [3, 2]);
    assert_eq!(dataset.numbers[0].missing, [true, true]);
    assert_eq!(dataset.target, None);
    let words = table(folder.path(), "words.csv", "k,x\n1,about 3\n1,4\n");
    let error = preparation.load(&words, false).unwrap_err();
    assert!(
        error.to_string().contains("row 0 holds `about 3`"),
        "{error}"
    );
    let short = table(folder.path(), "short.csv", "k\n1\n2\n");
    let error = preparation.load(&short, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the columns do not fit the model: missing: `x`"
    );
}

#[test]
fn an_absent_target_names_the_columns_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let data = table(folder.path(), "a.csv", "x,churn\n1,a\n2,b\n");
    let error = load(
        &data,
        &roles(&[("x", Role::Number), ("Churn", Role::Target)]),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no column `Churn` for the target; the columns are `x`, `churn`"
    );
    assert_eq!(error.hint().as_deref(), Some("did you mean `churn`?"));
    // An id may be absent, since nothing is learned from it.
    load(&data, &roles(&[("x", Role::Number), ("row", Role::Id)])).unwrap();
}

/// One letter per column: target, number, category, text, id, time, - ignored.
fn letters(roles: &[ColumnRole]) -> String {
    let letter = |role: &ColumnRole| match role.role {
        Role::Target => 'T',
        Role::Number => 'n',
        Role::Category => 'c',
        Role::Text => 't',
        Role::Id => 'i',
        Role::Time => 'z',
        Role::Entity => 'e',
        Role::Molecule => 'm',
        Role::Ignore => '-',
        Role::History => 'h',
    };
    roles.iter().map(letter).collect()
}

#[test]
fn shared_data_sets_get_the_roles_and_warnings_a_person_would_give() {
    let data = std::env::var_os("ADIT_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        std::path::PathBuf::from,
    );
    if !data.is_dir() {
        eprintln!("skipped: no data sets in {}", data.display());
        return;
    }
    let expected = [
        (
            "fin_german_credit/train.csv",
            "class",
            "cnccncccccccnccccnccT",
            "",
        ),
        (
            "churn_telco/train.csv",
            "Churn",
            "cnccnccccccccccccnnT",
            "duplicate_rows, blanks_in_number TotalCharges",
        ),
        (
            "health_heart_cleveland/train.csv",
            "disease",
            "nncnnncnnncccT",
            "blanks_in_number ca, blanks_in_number thal",
        ),
        (
            "health_breast_cancer_wdbc/train.csv",
            "diagnosis",
            "Tnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
            "",
        ),
        (
            "man_ai4i2020/train.csv",
            "Machine failure",
            "cnnnnnT",
            "imbalance Machine failure",
        ),
        (
            "man_steel_plates/train.csv",
            "Fault_Type",
            "nnnnnnnnnnnnnnnnnnnnnnnnnnnT",
            "imbalance Fault_Type",
        ),
        (
            "man_concrete_strength/train.csv",
            "strength",
            "nnnnnnnnT",
            "duplicate_rows",
        ),
        ("man_energy_efficiency/train.csv", "Y1", "nnnnncncTn", ""),
        ("text_sms_spam/train.csv", "label", "tT", "duplicate_rows"),
        ("text_sst2/train.csv", "label", "tT", "duplicate_rows"),
        (
            "text_pairs_mrpc/train.csv",
            "label",
            "ttTii",
            "id_like id1, id_like id2",
        ),
        (
            "fin_bank_marketing/train.csv.gz",
            "target",
            "ncccccccccnnncnnnnnT",
            "duplicate_rows",
        ),
        (
            "tab_adult/train.csv.gz",
            "income",
            "ncncncccccnnncT",
            "duplicate_rows",
        ),
        (
            "tab_california_housing/train.csv",
            "median_house_value",
            "nnnnnnnnTc",
            "",
        ),
        ("mol_bbbp/train.csv", "p_np", "mT", ""),
    ];
    let spool = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (path, target, wanted_roles, wanted_kinds) in expected {
        let table = open(&data.join(path), spool.path());
        let profile = table.profile(&Silent).unwrap();
        let settings = RoleSettings {
            target: Some(target.into()),
            ..RoleSettings::default()
        };
        let roles = assign_roles(&profile, &settings).unwrap();
        let task = guess_task(&profile, target).unwrap();
        let rows = load(&table, &roles).unwrap();
        let split = split(&rows, task, &SplitSettings::new(TestPart::Given, 1)).unwrap();
        let preparation = Preparation::fit(&rows, &split.train, &PrepareSettings::new(task));
        let dataset = preparation.unwrap().apply(&rows).unwrap();
        assert_eq!(dataset.n_rows() as u64, table.n_rows());
        let found = suspicions(&profile, &roles, &rows, &split, (task, None));
        let kinds: Vec<String> = found
            .iter()
            .map(|s| match &s.column {
                Some(column) => format!("{} {column}", s.kind),
                None => s.kind.to_string(),
            })
            .collect();
        let found = (letters(&roles), kinds.join(", "));
        if (found.0.as_str(), found.1.as_str()) != (wanted_roles, wanted_kinds) {
            wrong.push(format!("{path}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
