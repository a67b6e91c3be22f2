//! The row transformer agrees with the same model written in PyTorch: outputs, loss, gradients.
//!
//! Recorded by `tests/reference/row_transformer.py`, computed there in f64.

use adit_nn::{
    AskedCells, CellTransformer, Gradients, Mode, Params, RowBatch, RowTransformer,
    RowTransformerConfig, Tape,
};

mod golden;
use golden::{Golden, Worst};

/// Tighter than the 1e-4 that is promised, which hides a mistake in a small gradient.
const TOLERANCE: f64 = 1e-5;
/// Of a gradient, by its largest entry.
const RELATIVE: f64 = 1e-3;

fn configuration(name: &str) -> RowTransformerConfig {
    let text = std::fs::read_to_string(golden::folder().join(format!("row/{name}.json")))
        .expect("a configuration");
    serde_json::from_str(&text).expect("a valid configuration")
}

/// Puts the recorded weights in the place of those that were drawn.
fn take_weights(recorded: &Golden, params: &mut Params) {
    let names: Vec<String> = params.iter().map(|(_, name, _)| name.to_owned()).collect();
    let mut recorded_names = recorded.names("param.");
    recorded_names.sort();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted, recorded_names, "the same parameters as in PyTorch");
    for name in names {
        let id = params.by_name(&name).expect("a parameter");
        let wanted = recorded.tensor(&format!("param.{name}"));
        assert_eq!(params.get(id).shape, wanted.shape, "{name}");
        *params.get_mut(id) = wanted;
    }
}

fn batch(recorded: &Golden) -> RowBatch {
    RowBatch {
        numbers: recorded.tensor("numbers").data,
        missing: recorded.ids("missing").iter().map(|&m| m != 0).collect(),
        codes: recorded.ids("codes"),
    }
}

fn check(name: &str) {
    let recorded = Golden::read(&format!("row/{name}.safetensors"));
    let mut params = Params::new();
    let model = RowTransformer::new(configuration(name), &mut params, 1)
        .expect("a configuration that fits");
    take_weights(&recorded, &mut params);
    let batch = batch(&recorded);
    let (mut worst, mut relative) = (Worst::new(TOLERANCE), Worst::new(RELATIVE));
    let wanted = recorded.tensor("outputs");
    let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
    let outputs = model.outputs(&mut tape, &batch).expect("outputs");
    assert_eq!(tape.value(outputs).shape, wanted.shape);
    worst.see("outputs", &tape.value(outputs).data, &wanted.data);

    let mut quick = Tape::new(&params, Mode::Inference);
    let again = model.outputs(&mut quick, &batch).expect("outputs");
    worst.see(
        "outputs without gradients",
        &quick.value(again).data,
        &wanted.data,
    );

    let loss = match recorded.find("target") {
        Some(target) => tape.mean_squared_error(outputs, &target.data),
        None => tape.cross_entropy(outputs, &recorded.ids("target"), None),
    };
    worst.see(
        "loss",
        &tape.value(loss).data,
        &recorded.tensor("loss").data,
    );
    let gradients = tape.backward(loss);
    see_gradients(&recorded, &params, &gradients, (&mut worst, &mut relative));
    worst.done(&format!("row transformer, {name}"));
    relative.done(&format!("row transformer, {name}, relative"));
}

fn see_gradients(
    recorded: &Golden,
    params: &Params,
    gradients: &Gradients,
    (worst, relative): (&mut Worst, &mut Worst),
) {
    let names = recorded.names("grad.");
    assert!(names.len() > 10);
    for name in names {
        let wanted = recorded.tensor(&format!("grad.{name}"));
        let id = params.by_name(&name).expect("a parameter");
        let found = gradients
            .get(id)
            .map_or_else(|| vec![0.0; wanted.len()], |g| g.data.clone());
        worst.see(format!("gradient of {name}"), &found, &wanted.data);
        relative.see_relative(name, &found, &wanted.data);
    }
}

#[test]
fn rows_of_numbers_and_categories_agree_with_pytorch() {
    check("mixed");
}

#[test]
fn rows_of_numbers_agree_with_pytorch() {
    check("numbers");
}

#[test]
fn rows_of_categories_agree_with_pytorch() {
    check("categories");
}

#[test]
fn hidden_cells_agree_with_pytorch() {
    let recorded = Golden::read("row/cells.safetensors");
    let mut params = Params::new();
    let classes = [3, 1, 4, 2, 4];
    let model = CellTransformer::new(configuration("cells"), &classes, &mut params, 1)
        .expect("a configuration that fits");
    take_weights(&recorded, &mut params);
    let batch = batch(&recorded);
    let rows = |column: usize| recorded.ids(&format!("asked.{column}"));
    let asked: Vec<AskedCells> = (0..classes.len())
        .map(|column| AskedCells {
            column,
            rows: rows(column).iter().map(|&row| row as usize).collect(),
        })
        .collect();
    let wanted: Vec<Vec<u32>> = (0..classes.len())
        .map(|column| recorded.ids(&format!("target.{column}")))
        .collect();
    let (mut worst, mut relative) = (Worst::new(TOLERANCE), Worst::new(RELATIVE));
    let mut quick = Tape::new(&params, Mode::Inference);
    let scores = model.scores(&mut quick, &batch, &asked).expect("scores");
    for (column, scores) in scores.into_iter().enumerate() {
        let wanted = recorded.tensor(&format!("scores.{column}"));
        worst.see("scores", &quick.value(scores).data, &wanted.data);
    }
    let vectors = model.vectors(&mut quick, &batch).expect("vectors");
    let wanted_vectors = recorded.tensor("vectors").data;
    worst.see("vectors", &quick.value(vectors).data, &wanted_vectors);
    let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
    let loss = model
        .loss(&mut tape, &batch, (&asked, &wanted))
        .expect("a loss");
    let wanted = recorded.tensor("loss").data;
    worst.see("loss", &tape.value(loss).data, &wanted);
    let gradients = tape.backward(loss);
    see_gradients(&recorded, &params, &gradients, (&mut worst, &mut relative));
    worst.done("hidden cells");
    relative.done("hidden cells, relative");
}

#[test]
fn cells_that_are_not_there_are_refused() {
    let recorded = Golden::read("row/cells.safetensors");
    let mut params = Params::new();
    let config = configuration("cells");
    for classes in [&[3, 1, 4, 2][..], &[3, 1, 4, 2, 0]] {
        assert!(CellTransformer::new(config.clone(), classes, &mut params, 1).is_err());
    }
    let mut params = Params::new();
    let model = CellTransformer::new(config, &[3, 1, 4, 2, 4], &mut params, 1).expect("a model");
    let batch = batch(&recorded);
    let of = |column: usize, rows: &[usize]| AskedCells {
        column,
        rows: rows.to_vec(),
    };
    for (asked, classes) in [
        (of(5, &[0]), vec![0]),
        (of(0, &[9]), vec![0]),
        (of(0, &[]), vec![]),
        (of(0, &[1]), vec![3]),
        (of(0, &[1, 2]), vec![0]),
    ] {
        let mut tape = Tape::new(&params, Mode::Inference);
        let found = model.loss(&mut tape, &batch, (&[asked], &[classes]));
        assert!(found.is_err());
    }
    let mut tape = Tape::new(&params, Mode::Inference);
    assert!(model.loss(&mut tape, &batch, (&[], &[])).is_err());
}
