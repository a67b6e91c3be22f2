//! The row transformer agrees with the same model written in PyTorch: outputs, loss, gradients.
//!
//! Recorded by `tests/reference/row_transformer.py`, computed there in f64.

use adit_nn::{Mode, Params, RowBatch, RowTransformer, RowTransformerConfig, Tape};

mod golden;
use golden::{Golden, Worst};

/// Tighter than the 1e-4 that is promised, which hides a mistake in a small gradient.
const TOLERANCE: f64 = 1e-5;
/// Of a gradient, by its largest entry.
const RELATIVE: f64 = 1e-3;

/// The recorded model, its weights in `params`.
fn model(name: &str, recorded: &Golden, params: &mut Params) -> RowTransformer {
    let text = std::fs::read_to_string(golden::folder().join(format!("row/{name}.json")))
        .expect("a configuration");
    let config: RowTransformerConfig = serde_json::from_str(&text).expect("a valid configuration");
    let model = RowTransformer::new(config, params, 1).expect("a configuration that fits");
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
    model
}

fn check(name: &str) {
    let recorded = Golden::read(&format!("row/{name}.safetensors"));
    let mut params = Params::new();
    let model = model(name, &recorded, &mut params);
    let batch = RowBatch {
        numbers: recorded.tensor("numbers").data,
        missing: recorded.ids("missing").iter().map(|&m| m != 0).collect(),
        codes: recorded.ids("codes"),
    };
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
    worst.done(&format!("row transformer, {name}"));
    relative.done(&format!("row transformer, {name}, relative"));
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
