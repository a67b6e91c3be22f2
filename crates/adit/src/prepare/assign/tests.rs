use super::*;

/// A column of 1,000 rows; tests change what they are about.
fn column(name: &str, column_type: ColumnType) -> ColumnProfile {
    ColumnProfile {
        name: name.into(),
        column_type,
        missing: 0,
        blanks: 0,
        non_numeric: Vec::new(),
        distinct: 500,
        distinct_is_exact: true,
        min: Some(0.0),
        max: Some(1e6),
        mean: None,
        standard_deviation: None,
        quantiles: Vec::new(),
        histogram: Vec::new(),
        top_values: Vec::new(),
        examples: Vec::new(),
        mean_chars: 6.0,
        max_chars: 12,
        mean_words: 1.0,
        whole_numbers: column_type == ColumnType::Integer,
        increasing: false,
    }
}

fn profile(columns: Vec<ColumnProfile>) -> Profile {
    Profile {
        n_rows: 1000,
        duplicate_rows: 0,
        duplicate_rows_is_exact: true,
        columns,
    }
}

fn role_of(column: ColumnProfile) -> Role {
    let roles = assign_roles(&profile(vec![column]), &RoleSettings::default()).unwrap();
    assert!(!roles[0].reason.is_empty());
    roles[0].role
}

use ColumnType::{Boolean, Float, Integer, Text, Time};

#[test]
fn columns_without_news_are_ignored() {
    let mut empty = column("x", Text);
    empty.missing = 1000;
    empty.distinct = 0;
    assert_eq!(role_of(empty), Role::Ignore);
    let mut constant = column("x", Float);
    constant.distinct = 1;
    assert_eq!(role_of(constant.clone()), Role::Ignore);
    // That a cell is missing may be news.
    constant.missing = 300;
    assert_eq!(role_of(constant), Role::Number);
}

#[test]
fn few_small_whole_numbers_are_codes_and_two_are_a_number() {
    let whole = |distinct: u64, max: f64| {
        let mut c = column("x", Integer);
        c.distinct = distinct;
        c.max = Some(max);
        role_of(c)
    };
    assert_eq!(whole(2, 1.0), Role::Number);
    assert_eq!(whole(3, 7.0), Role::Category);
    assert_eq!(whole(6, 6.0), Role::Category);
    assert_eq!(whole(7, 7.0), Role::Number);
    assert_eq!(whole(4, 400.0), Role::Number);
    let mut halves = column("x", Float);
    halves.distinct = 3;
    halves.max = Some(1.0);
    assert_eq!(role_of(halves), Role::Number);
}

#[test]
fn ids_are_known_by_name_by_rise_or_by_form() {
    let mut rising = column("n", Integer);
    rising.distinct = 1000;
    rising.increasing = true;
    assert_eq!(role_of(rising.clone()), Role::Id);
    rising.increasing = false;
    assert_eq!(role_of(rising.clone()), Role::Number);
    rising.name = "id1".into();
    assert_eq!(role_of(rising.clone()), Role::Id);
    rising.distinct = 950;
    assert_eq!(role_of(rising), Role::Id);
    let mut code = column("ticket", Text);
    code.distinct = 1000;
    code.max_chars = 7;
    assert_eq!(role_of(code), Role::Id);
}

#[test]
fn ids_that_come_back_are_entities_unless_they_are_few() {
    let mut customer = column("customer_id", Integer);
    customer.distinct = 300;
    let roles = assign_roles(&profile(vec![customer]), &RoleSettings::default()).unwrap();
    assert_eq!(roles[0].role, Role::Entity);
    assert!(
        roles[0].reason.contains("kept together"),
        "{}",
        roles[0].reason
    );
    let mut shop = column("shop_id", Text);
    shop.distinct = 12;
    assert_eq!(role_of(shop), Role::Category);
}

#[test]
fn texts_are_told_from_categories_by_words_and_repetition() {
    let text = |words: f64, chars: f64, distinct: u64| {
        let mut c = column("x", Text);
        (c.mean_words, c.mean_chars, c.distinct) = (words, chars, distinct);
        c.max_chars = 2 * chars as u64;
        role_of(c)
    };
    assert_eq!(text(18.0, 100.0, 990), Role::Text);
    assert_eq!(text(3.2, 18.0, 150), Role::Text);
    assert_eq!(text(3.2, 18.0, 12), Role::Category);
    assert_eq!(text(2.4, 16.0, 4), Role::Category);
    // No spaces: Chinese, or the formula of a molecule.
    assert_eq!(text(1.0, 40.0, 1000), Role::Text);
    assert_eq!(text(1.0, 6.0, 900), Role::Category);
    assert_eq!(role_of(column("x", Boolean)), Role::Category);
    assert_eq!(role_of(column("x", Time)), Role::Time);
}

#[test]
fn names_of_ids() {
    for name in [
        "id",
        "ID",
        "id1",
        "id_2",
        "customer_id",
        "Order ID",
        "rowId",
        "CustomerID",
        "Unnamed: 0",
    ] {
        assert!(rules::named_like_an_id(name), "{name}");
    }
    for name in [
        "paid", "humid", "idle", "PAID", "candid", "fluid_mm", "identity",
    ] {
        assert!(!rules::named_like_an_id(name), "{name}");
    }
}

#[test]
fn given_roles_stand_before_every_rule() {
    let mut review = column("review", Text);
    (review.mean_words, review.distinct) = (20.0, 990);
    let mut title = review.clone();
    title.name = "title".into();
    let data = profile(vec![
        review,
        title,
        column("y", Integer),
        column("z", Float),
    ]);
    let settings = RoleSettings {
        target: Some("y".into()),
        texts: vec!["title".into()],
        given: BTreeMap::from([("z".into(), Role::Category)]),
        ..RoleSettings::default()
    };
    let roles = assign_roles(&data, &settings).unwrap();
    let found: Vec<Role> = roles.iter().map(|r| r.role).collect();
    assert_eq!(
        found,
        [Role::Ignore, Role::Text, Role::Target, Role::Category]
    );
    assert_eq!(roles[2].reason, "given");
}

#[test]
fn settings_that_do_not_fit_are_errors_that_say_why() {
    let data = profile(vec![column("Churn", Text), column("when", Time)]);
    let says = |settings: RoleSettings| {
        let error = assign_roles(&data, &settings).unwrap_err();
        (error.to_string(), error.hint())
    };
    let target = |name: &str| RoleSettings {
        target: Some(name.into()),
        ..RoleSettings::default()
    };
    let (message, hint) = says(target("churn"));
    assert_eq!(
        message,
        "there is no column `churn` for the target; the columns are `Churn`, `when`"
    );
    assert_eq!(hint.as_deref(), Some("did you mean `Churn`?"));
    let (message, _) = says(target("when"));
    assert_eq!(
        message,
        "column `when` cannot be used as a target: it is read as times"
    );
    let mut two = target("Churn");
    two.given.insert("when".into(), Role::Target);
    assert_eq!(
        says(two).0,
        "two columns are given as the target: `Churn` and `when`"
    );
    let mut both = target("Churn");
    both.texts.push("Churn".into());
    assert_eq!(
        says(both).0,
        "column `Churn` is given two roles: target and text"
    );
}

#[test]
fn an_open_task_is_read_off_the_target() {
    let guess = |column_type, distinct, whole| {
        let mut y = column("y", column_type);
        (y.distinct, y.whole_numbers) = (distinct, whole);
        guess_task(&profile(vec![y]), "y")
    };
    assert_eq!(guess(Text, 3, false).unwrap(), Task::Classify);
    assert_eq!(guess(Boolean, 2, false).unwrap(), Task::Classify);
    assert_eq!(guess(Integer, 2, true).unwrap(), Task::Classify);
    assert_eq!(guess(Integer, 300, true).unwrap(), Task::Regress);
    assert_eq!(guess(Float, 7, false).unwrap(), Task::Regress);
    assert!(guess(Time, 7, false).is_err());
}
