//! The encoder of events agrees with the same model written in PyTorch: states, losses, gradients.
//!
//! Recorded by `tests/reference/events_torch.py`, computed there in f64.

use adit_nn::{EventBatch, EventEncoder, EventEncoderConfig, Mode, Params, Tape};

mod golden;
use golden::{Golden, Worst};

/// Tighter than the 1e-4 that is promised, which hides a mistake in a small gradient.
const TOLERANCE: f64 = 1e-5;
/// Of a gradient, by its largest entry.
const RELATIVE: f64 = 1e-3;

/// The recorded model, its weights in `params`.
fn model(name: &str, recorded: &Golden, params: &mut Params) -> EventEncoder {
    let text = std::fs::read_to_string(golden::folder().join(format!("events/{name}.json")))
        .expect("a configuration");
    let config: EventEncoderConfig = serde_json::from_str(&text).expect("a valid configuration");
    let model = EventEncoder::new(config, params, 1).expect("a configuration that fits");
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
    let recorded = Golden::read(&format!("events/{name}.safetensors"));
    let mut params = Params::new();
    let model = model(name, &recorded, &mut params);
    let batch = EventBatch {
        components: recorded.tensor("components").data,
        codes: recorded.ids("codes"),
        offsets: recorded.indices("offsets"),
    };
    let followed = batch.followed();
    assert_eq!(followed, recorded.indices("followed"));
    let (mut worst, mut relative) = (Worst::new(TOLERANCE), Worst::new(RELATIVE));

    let mut quick = Tape::new(&params, Mode::Inference);
    let mut tape = Tape::new(&params, Mode::Train { seed: 0 });
    let mut losses = Vec::new();
    for tape in [&mut quick, &mut tape] {
        let states = model.states(tape, &batch).expect("states");
        let scores = model.next_scores(tape, states.tokens, &followed);
        for (part, var) in [
            ("tokens", states.tokens),
            ("histories", states.histories),
            ("scores", scores),
        ] {
            let (found, wanted) = (tape.value(var), recorded.tensor(part));
            assert_eq!(found.shape, wanted.shape, "{part}");
            let subject = format!("{part}, {:?}", tape.mode());
            worst.see(subject, &found.data, &wanted.data);
        }
        let next = model
            .next_event_loss(tape, scores, &recorded.ids("classes"))
            .expect("a loss");
        let slices = model
            .slices_loss(tape, states.histories, recorded.scalar("temperature"))
            .expect("a loss");
        losses = vec![("next", next), ("slices", slices)];
        for &(of, loss) in &losses {
            let wanted = recorded.tensor(&format!("loss.{of}"));
            let subject = format!("loss of {of}, {:?}", tape.mode());
            worst.see(subject, &tape.value(loss).data, &wanted.data);
        }
    }
    for (of, loss) in losses {
        let gradients = tape.backward(loss);
        let names = recorded.names(&format!("grad.{of}."));
        assert_eq!(names.len(), params.len(), "a gradient for every parameter");
        for name in names {
            let wanted = recorded.tensor(&format!("grad.{of}.{name}"));
            let id = params.by_name(&name).expect("a parameter");
            let found = gradients
                .get(id)
                .map_or_else(|| vec![0.0; wanted.len()], |g| g.data.clone());
            let subject = format!("gradient of {of} in {name}");
            relative.see_relative(subject.clone(), &found, &wanted.data);
            worst.see(subject, &found, &wanted.data);
        }
    }
    worst.done(&format!("encoder of events, {name}"));
    relative.done(&format!("encoder of events, {name}, relative"));
}

#[test]
fn events_of_numbers_and_categories_agree_with_pytorch() {
    check("mixed");
}

#[test]
fn events_of_numbers_agree_with_pytorch() {
    check("numbers");
}

#[test]
fn a_deeper_encoder_of_events_agrees_with_pytorch() {
    check("deep");
}

#[test]
fn the_states_of_events_do_not_know_what_comes_later() {
    let config = EventEncoderConfig {
        n_components: 3,
        cardinalities: vec![4],
        targets: vec![4],
        d_model: 16,
        n_layers: 2,
        n_heads: 2,
        ffn_hidden: 24,
        dropout: 0.0,
    };
    let (d, n_components) = (config.d_model, config.n_components);
    let mut params = Params::new();
    let model = EventEncoder::new(config, &mut params, 7).expect("a configuration that fits");
    // The history in the middle is longer than a block of queries.
    let offsets = vec![0, 6, 156, 157];
    let (first, end, n) = (offsets[1], offsets[2], offsets[3]);
    let batch = EventBatch {
        components: (0..n * n_components)
            .map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0)
            .collect(),
        codes: (0..n as u32).map(|i| (i * 7) % 4).collect(),
        offsets,
    };
    for mode in [Mode::Train { seed: 0 }, Mode::Inference] {
        let bits = |batch: &EventBatch| -> Vec<u32> {
            let mut tape = Tape::new(&params, mode);
            let states = model.states(&mut tape, batch).expect("states");
            let values = &tape.value(states.tokens).data;
            values.iter().map(|v| v.to_bits()).collect()
        };
        let before = bits(&batch);
        assert_eq!(before, bits(&batch), "{mode:?}: the same twice");
        for changed in [first + 1, first + 70, first + 130, end - 1] {
            let mut other = batch.clone();
            for token in changed..end {
                other.codes[token] = (other.codes[token] + 1) % 4;
                for value in &mut other.components[token * n_components..][..n_components] {
                    *value = 0.5 - *value;
                }
            }
            let after = bits(&other);
            for token in 0..n {
                let own = token * d..(token + 1) * d;
                let same = before[own.clone()] == after[own];
                let later = (changed..end).contains(&token);
                assert_eq!(
                    same, !later,
                    "{mode:?}: token {token}, changed from {changed} to {end}"
                );
            }
        }
    }
}
