//! How probable given texts are: the decoder reads all of them for every source.

use crate::error::NnError;
use crate::t5::beams::log_sum;
use crate::t5::seq2seq::T5;
use crate::tape::{Tape, Var};
use crate::tokens::PackedTokens;

/// Tokens whose logits are held at once: a vocabulary is large.
const LOGITS_AT_ONCE: usize = 64;

impl T5 {
    /// The log-probability of every text of `choices` given every sequence of `source`, row-major
    /// `[n_sources, n_choices]`: the sum of `log p(token)`, each given its source and the tokens before.
    ///
    /// Each source is encoded once, and gives the bits that it gives alone. Choices should end with the
    /// token that ends texts, so that one is not preferred for being the start of another. No gradient
    /// goes through: [`T5::loss`] is what is learned from.
    ///
    /// Errors: [`NnError::Tokens`] when tokens do not fit the model.
    pub fn log_probabilities(
        &self,
        tape: &mut Tape<'_>,
        source: &PackedTokens,
        choices: &PackedTokens,
    ) -> Result<Vec<f64>, NnError> {
        choices.check(self.config().vocab_size, usize::MAX, usize::MAX)?;
        let before = tape.mark();
        let states = self.states_of_choices(tape, source, choices)?;
        let n_choices = choices.n_sequences();
        let of_token: Vec<usize> = (choices.offsets.windows(2).enumerate())
            .flat_map(|(choice, w)| vec![choice; w[1] - w[0]])
            .collect();
        let rows: Vec<usize> = (0..source.n_sequences() * of_token.len()).collect();
        let mut found = vec![0.0; source.n_sequences() * n_choices];
        for some in rows.chunks(LOGITS_AT_ONCE) {
            let mark = tape.mark();
            let chosen = tape.select_rows(states, some);
            let logits = self.last_map(tape, chosen);
            for (k, row) in some.iter().enumerate() {
                let (source, token) = (row / of_token.len(), row % of_token.len());
                let logits = tape.value(logits).row(k);
                let logit = logits[choices.ids[token] as usize];
                let place = source * n_choices + of_token[token];
                found[place] += f64::from(logit) - log_sum(logits);
            }
            tape.release(mark, &[]);
        }
        tape.release(before, &[]);
        Ok(found)
    }

    /// The decoder's states for all choices of the first source, then of the second, and so on:
    /// `[n_sources · sum_choices, d_model]`.
    fn states_of_choices(
        &self,
        tape: &mut Tape<'_>,
        source: &PackedTokens,
        choices: &PackedTokens,
    ) -> Result<Var, NnError> {
        let (n, length) = (source.n_sequences(), choices.ids.len());
        let memory = self.encoder().hidden(tape, source)?;
        let x = self.embed(tape, &self.shifted(choices).ids.repeat(n));
        let starts = |at: usize| choices.offsets[1..].iter().map(move |o| at * length + o);
        let targets: Vec<usize> = std::iter::once(0).chain((0..n).flat_map(starts)).collect();
        let of_source: Vec<usize> = (0..=n).map(|at| at * length).collect();
        let memory = (memory, source.offsets.as_slice());
        let ranges = [targets.as_slice(), of_source.as_slice()];
        Ok(self.decoder.states(tape, x, ranges, memory, self.config()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Params;
    use crate::t5::T5Config;
    use crate::tape::Mode;

    fn model() -> (Params, T5) {
        let config = T5Config::from_json(
            r#"{"model_type": "t5", "vocab_size": 40, "d_model": 24, "d_kv": 5, "d_ff": 30,
            "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4, "eos_token_id": 1,
            "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20,
            "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false}"#,
        )
        .unwrap();
        let mut params = Params::new();
        let model = T5::new(&config, &mut params, 5);
        (params, model)
    }

    fn pack(texts: &[Vec<u32>]) -> PackedTokens {
        let zeros = [0; 64];
        PackedTokens::pack(texts.iter().map(|t| (t.as_slice(), &zeros[..t.len()]))).unwrap()
    }

    fn sources() -> Vec<Vec<u32>> {
        let of = |n: u32| (0..n).map(|i| (3 + 7 * i) % 40).collect();
        [4, 1, 30, 9, 2].map(of).to_vec()
    }

    /// The first is the start of the second; together they have more tokens than are held at once.
    fn choices() -> Vec<Vec<u32>> {
        let long = (0..40).map(|i| (2 + 3 * i) % 40).chain([1]).collect();
        vec![vec![5, 1], vec![5, 9, 1], vec![8, 8, 8, 1], long]
    }

    #[test]
    fn choices_have_the_probabilities_that_the_logits_of_each_alone_say() {
        let (params, model) = model();
        let (sources, choices) = (sources(), choices());
        let mut tape = Tape::new(&params, Mode::Inference);
        let found = model
            .log_probabilities(&mut tape, &pack(&sources), &pack(&choices))
            .unwrap();
        let mut found = found.into_iter();
        for source in &sources {
            for choice in &choices {
                let inputs = [&[0], &choice[..choice.len() - 1]].concat();
                let mut tape = Tape::new(&params, Mode::Inference);
                let source = pack(std::slice::from_ref(source));
                let logits = model.logits(&mut tape, &source, &pack(&[inputs])).unwrap();
                let logits = tape.value(logits);
                let mut want = 0.0;
                for (at, &token) in choice.iter().enumerate() {
                    let all = logits.row(at).iter().map(|&v| f64::from(v).exp());
                    let own = f64::from(logits.row(at)[token as usize]).exp();
                    want += (own / all.sum::<f64>()).ln();
                }
                let found = found.next().unwrap();
                assert!((found - want).abs() < 1e-9, "{found} {want}");
            }
        }
    }

    #[test]
    fn a_source_among_others_has_the_bits_that_it_has_alone() {
        let (params, model) = model();
        let (sources, choices) = (sources(), pack(&choices()));
        let scores = |some: &[Vec<u32>]| {
            let mut tape = Tape::new(&params, Mode::Inference);
            model
                .log_probabilities(&mut tape, &pack(some), &choices)
                .unwrap()
        };
        let alone = sources.iter().map(std::slice::from_ref);
        assert_eq!(alone.flat_map(scores).collect::<Vec<_>>(), scores(&sources));
    }

    #[test]
    fn tokens_that_the_model_does_not_have_are_refused() {
        let (params, model) = model();
        let mut tape = Tape::new(&params, Mode::Inference);
        for (source, choice) in [(3, 40), (40, 3)] {
            let (source, choice) = (pack(&[vec![source]]), pack(&[vec![choice]]));
            let found = model.log_probabilities(&mut tape, &source, &choice);
            assert!(found.is_err());
        }
    }
}
