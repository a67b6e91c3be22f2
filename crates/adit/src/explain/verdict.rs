//! The verdict: one plain sentence.
//!
//! It names the recommended member or says that the transformer is not better, or that nothing is better than always
//! giving the same answer; with the two scores, their difference, its interval and, where something is better, `p`.
//! Where a difference is not beyond chance and the test rows are too few to see one that matters, it says so.

use super::metrics::Metric;
use super::selection::more_is_better;
use super::wording::{decimals_for, fixed, p_value, roughly, sentence, whole};
use super::{MemberRole, PairedTest};

/// A difference with a smaller `p` is called beyond chance, where its interval leaves out 0 as well.
const LEVEL: f64 = 0.05;
/// Half an interval's width beyond which test rows are called few: of a score, and as a share of an error.
const COARSE_SCORE: f64 = 0.03;
const COARSE_ERROR: f64 = 0.05;

/// A member as the verdict speaks of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Contestant {
    pub name: String,
    pub role: MemberRole,
    /// Its value of the metric on the test rows; absent where undefined.
    pub score: Option<f64>,
    /// What it answers to every row, as it should be read (`'B'`, `23.4`); absent where its answers differ.
    pub answer: Option<String>,
}

/// What a verdict is made of.
#[derive(Clone, Debug)]
pub struct VerdictInput<'a> {
    /// The selection metric.
    pub metric: &'a str,
    pub test_rows: u64,
    /// Chosen on validation rows.
    pub chosen: &'a Contestant,
    /// The best transformer and the best of the others, by their validation scores.
    pub transformer: Option<&'a Contestant>,
    pub baseline: Option<&'a Contestant>,
    /// The one that gives the same answer to every row.
    pub trivial: Option<&'a Contestant>,
    /// Transformer against baseline, or without a transformer, baseline against the trivial member.
    pub paired: Option<&'a PairedTest>,
    /// Present where no member beats the trivial one beyond chance: the best of them and its test.
    pub beaten_by_none: Option<(&'a Contestant, &'a PairedTest)>,
}

/// Whether the better member is better beyond chance.
pub(crate) fn is_beyond_chance(test: &PairedTest) -> bool {
    test.p_value < LEVEL && test.difference.low > 0.0
}

/// The verdict in one sentence.
pub fn verdict(input: &VerdictInput) -> String {
    if let (Some(trivial), Some((best, test))) = (input.trivial, input.beaten_by_none) {
        let scores = input.compared(best, trivial, test);
        return format!(
            "Nothing beats {}: {} has {scores}{}.",
            trivial.called(),
            best.called(),
            input.caveat(test)
        );
    }
    match (
        input.transformer,
        input.baseline,
        input.trivial,
        input.paired,
    ) {
        (Some(transformer), Some(baseline), _, Some(test)) => {
            input.of_transformer(transformer, baseline, test)
        }
        (None, Some(linear), Some(trivial), Some(test)) => {
            let (scores, p) = (input.compared(linear, trivial, test), p_value(test.p_value));
            let text = format!(
                "{} is better than {}: {scores}, {p}.",
                linear.called(),
                trivial.called()
            );
            sentence(&text)
        }
        (transformer, baseline, ..) if transformer.is_some() && baseline.is_some() => {
            let metric = spoken(input.metric);
            format!("The test rows cannot tell the models apart: {metric} is not defined for them.")
        }
        _ => sentence(&format!(
            "{} was not compared with anything.",
            input.chosen.called()
        )),
    }
}

impl VerdictInput<'_> {
    fn of_transformer(
        &self,
        transformer: &Contestant,
        baseline: &Contestant,
        test: &PairedTest,
    ) -> String {
        let (one, other) = (transformer.called(), baseline.called());
        let scores = self.compared(transformer, baseline, test);
        let is_chosen = self.chosen.name == transformer.name;
        let blended = self.chosen.role == MemberRole::Blend;
        let favours_transformer = test.better == transformer.name && test.difference.value > 0.0;
        let text = match (is_beyond_chance(test), favours_transformer) {
            (true, true) if is_chosen || blended => {
                format!(
                    "{one} is better than {other}: {scores}, {}.",
                    p_value(test.p_value)
                )
            }
            (true, true) => format!(
                "{one} is better than {other} on the test rows ({scores}, {}), but not on the validation rows: \
                 set more rows aside for validation before you trust either.",
                p_value(test.p_value)
            ),
            (true, false) => format!(
                "{one} is worse than {other} ({scores}, {}){}.",
                p_value(test.p_value),
                if blended {
                    String::new()
                } else {
                    format!(": use {other}")
                }
            ),
            (false, favours) => {
                let how = if favours {
                    "is not shown to be better"
                } else {
                    "is not better"
                };
                // The choice fell on validation rows, and test rows may not turn it round.
                let advice = if blended {
                    String::new()
                } else if is_chosen {
                    format!(": {other} may do as well")
                } else {
                    format!(": use {other}")
                };
                format!(
                    "{one} {how} than {other} ({scores}){advice}{}.",
                    self.caveat(test)
                )
            }
        };
        sentence(&text) + &self.of_blend(test)
    }

    /// A second sentence where a blend of members is recommended.
    fn of_blend(&self, test: &PairedTest) -> String {
        match (self.chosen.role, self.chosen.score) {
            (MemberRole::Blend, Some(score)) => format!(
                " Recommended is their blend: {} {}.",
                spoken(self.metric),
                fixed(score, self.decimals(test))
            ),
            _ => String::new(),
        }
    }

    /// `ROC AUC 0.871 against 0.842 on 1,409 test rows, difference 0.029, 95% interval 0.011 to 0.047`.
    ///
    /// The difference is that of the two scores as they are shown, not turned so that more is better.
    fn compared(&self, one: &Contestant, other: &Contestant, test: &PairedTest) -> String {
        let sign = if (test.better == one.name) == more_is_better(self.metric) {
            1.0
        } else {
            -1.0
        };
        let difference = test.difference;
        let ends = [sign * difference.low, sign * difference.high];
        let decimals = self.decimals(test);
        let show = |value: f64| fixed(value, decimals);
        let score =
            |contestant: &Contestant| contestant.score.map_or_else(|| "unknown".to_string(), show);
        format!(
            "{} {} against {} on {} test {}, difference {}, 95% interval {} to {}",
            spoken(self.metric),
            score(one),
            score(other),
            whole(self.test_rows),
            if self.test_rows == 1 { "row" } else { "rows" },
            show(sign * difference.value),
            show(ends[0].min(ends[1])),
            show(ends[0].max(ends[1])),
        )
    }

    fn decimals(&self, test: &PairedTest) -> usize {
        let decimals = decimals_for(half_width(test));
        if is_score(self.metric) {
            decimals.clamp(2, 4)
        } else {
            decimals
        }
    }

    /// `; with 61 test rows a difference under about 0.06 cannot be told from chance`, where that is much.
    fn caveat(&self, test: &PairedTest) -> String {
        let half = half_width(test);
        let scale = [self.baseline, self.trivial]
            .into_iter()
            .flatten()
            .find_map(|contestant| contestant.score);
        let is_coarse = match scale {
            _ if is_score(self.metric) => half > COARSE_SCORE,
            Some(scale) => half > COARSE_ERROR * scale.abs(),
            None => false,
        };
        if !is_coarse {
            return String::new();
        }
        let about = roughly(half);
        let rows = whole(self.test_rows);
        let rows = if self.test_rows == 1 {
            "1 test row".to_string()
        } else {
            format!("{rows} test rows")
        };
        format!("; with {rows} a difference under about {about} cannot be told from chance")
    }
}

impl Contestant {
    /// The member inside a sentence.
    pub fn called(&self) -> String {
        match (self.role, &self.answer) {
            (_, Some(answer)) => format!("always answering {answer}"),
            (MemberRole::Linear, _) => "the linear model".to_string(),
            (MemberRole::Trees, _) => "the boosted trees".to_string(),
            (MemberRole::Perceptrons, _) => "the perceptron ensemble".to_string(),
            (MemberRole::Blend, _) => "the blend".to_string(),
            (MemberRole::Transformer, _) if self.name.contains("transformer") => {
                format!("the {}", self.name)
            }
            (MemberRole::Transformer, _) => format!("the transformer {}", self.name),
            (MemberRole::Baseline, _) => format!("the baseline '{}'", self.name),
        }
    }
}

fn half_width(test: &PairedTest) -> f64 {
    (test.difference.high - test.difference.low) / 2.0
}

fn spoken(metric: &str) -> String {
    Metric::named(metric).map_or_else(
        || metric.replace('_', " "),
        |metric| metric.spoken().to_string(),
    )
}

fn is_score(metric: &str) -> bool {
    !matches!(
        Metric::named(metric),
        Some(Metric::Rmse | Metric::Mae | Metric::LogLoss)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Estimate;

    fn contestant(name: &str, role: MemberRole, score: f64) -> Contestant {
        let answer = (name == "majority").then(|| "'B'".to_string());
        Contestant {
            name: name.to_string(),
            role,
            score: Some(score),
            answer,
        }
    }

    fn test(better: &str, worse: &str, [value, low, high]: [f64; 3], p_value: f64) -> PairedTest {
        PairedTest {
            better: better.to_string(),
            worse: worse.to_string(),
            metric: "roc_auc".to_string(),
            difference: Estimate { value, low, high },
            p_value,
            test: String::new(),
        }
    }

    /// The verdict on a transformer against a linear model.
    fn duel(
        metric: &str,
        rows: u64,
        scores: [f64; 2],
        paired: &PairedTest,
        is_chosen: bool,
    ) -> String {
        let transformer = contestant("row transformer", MemberRole::Transformer, scores[0]);
        let linear = contestant("linear", MemberRole::Linear, scores[1]);
        verdict(&VerdictInput {
            metric,
            test_rows: rows,
            chosen: if is_chosen { &transformer } else { &linear },
            transformer: Some(&transformer),
            baseline: Some(&linear),
            trivial: None,
            paired: Some(paired),
            beaten_by_none: None,
        })
    }

    #[test]
    fn a_better_transformer_is_called_better() {
        let paired = test(
            "row transformer",
            "linear",
            [0.0291, 0.0112, 0.0471],
            0.0005,
        );
        assert_eq!(
            duel("roc_auc", 1409, [0.8711, 0.842], &paired, true),
            "The row transformer is better than the linear model: ROC AUC 0.871 against 0.842 on 1,409 test rows, \
             difference 0.029, 95% interval 0.011 to 0.047, p < 0.001."
        );
        assert_eq!(
            duel("roc_auc", 1409, [0.8711, 0.842], &paired, false),
            "The row transformer is better than the linear model on the test rows (ROC AUC 0.871 against 0.842 on \
             1,409 test rows, difference 0.029, 95% interval 0.011 to 0.047, p < 0.001), but not on the validation \
             rows: set more rows aside for validation before you trust either."
        );
    }

    #[test]
    fn a_transformer_that_is_not_better_is_called_that() {
        let paired = test("linear", "row transformer", [0.004, -0.011, 0.019], 0.6);
        assert_eq!(
            duel("roc_auc", 1409, [0.838, 0.842], &paired, false),
            "The row transformer is not better than the linear model (ROC AUC 0.838 against 0.842 on 1,409 test rows, \
             difference −0.004, 95% interval −0.019 to 0.011): use the linear model."
        );
        let paired = test("row transformer", "linear", [0.004, -0.011, 0.019], 0.6);
        assert_eq!(
            duel("roc_auc", 1409, [0.846, 0.842], &paired, true),
            "The row transformer is not shown to be better than the linear model (ROC AUC 0.846 against 0.842 on \
             1,409 test rows, difference 0.004, 95% interval −0.011 to 0.019): the linear model may do as well."
        );
        let paired = test("linear", "row transformer", [0.052, 0.021, 0.083], 0.003);
        assert_eq!(
            duel("roc_auc", 1409, [0.79, 0.842], &paired, false),
            "The row transformer is worse than the linear model (ROC AUC 0.790 against 0.842 on 1,409 test rows, \
             difference −0.052, 95% interval −0.083 to −0.021, p = 0.003): use the linear model."
        );
    }

    #[test]
    fn few_test_rows_are_said_to_be_few() {
        let paired = test("row transformer", "linear", [0.012, -0.049, 0.073], 0.71);
        assert_eq!(
            duel("roc_auc", 61, [0.912, 0.9], &paired, true),
            "The row transformer is not shown to be better than the linear model (ROC AUC 0.912 against 0.900 on 61 \
             test rows, difference 0.012, 95% interval −0.049 to 0.073): the linear model may do as well; with 61 \
             test rows a difference under about 0.06 cannot be told from chance."
        );
    }

    #[test]
    fn errors_are_shown_in_their_unit_and_own_direction() {
        let paired = test("row transformer", "linear", [4.93, 4.16, 5.61], 0.0005);
        assert_eq!(
            duel("rmse", 206, [5.21, 10.14], &paired, true),
            "The row transformer is better than the linear model: RMSE 5.21 against 10.14 on 206 test rows, \
             difference −4.93, 95% interval −5.61 to −4.16, p < 0.001."
        );
        let paired = test("linear", "row transformer", [310.0, -420.0, 1040.0], 0.4);
        assert_eq!(
            duel("rmse", 40, [12_310.0, 12_000.0], &paired, false),
            "The row transformer is not better than the linear model (RMSE 12,310 against 12,000 on 40 test rows, \
             difference 310, 95% interval −420 to 1,040): use the linear model; with 40 test rows a difference under \
             about 700 cannot be told from chance."
        );
    }

    #[test]
    fn nothing_may_beat_one_answer() {
        let trivial = contestant("majority", MemberRole::Baseline, 0.5);
        let linear = contestant("linear", MemberRole::Linear, 0.512);
        let paired = test("linear", "majority", [0.012, -0.0152, 0.0391], 0.38);
        let input = VerdictInput {
            metric: "roc_auc",
            test_rows: 2000,
            chosen: &linear,
            transformer: None,
            baseline: Some(&linear),
            trivial: Some(&trivial),
            paired: Some(&paired),
            beaten_by_none: Some((&linear, &paired)),
        };
        assert_eq!(
            verdict(&input),
            "Nothing beats always answering 'B': the linear model has ROC AUC 0.512 against 0.500 on 2,000 test rows, \
             difference 0.012, 95% interval −0.015 to 0.039."
        );
    }

    #[test]
    fn without_a_transformer_the_linear_model_is_held_against_one_answer() {
        let trivial = contestant("majority", MemberRole::Baseline, 0.5);
        let linear = contestant("linear", MemberRole::Linear, 0.9312);
        let paired = test("linear", "majority", [0.4312, 0.4101, 0.4523], 0.0005);
        let input = VerdictInput {
            metric: "roc_auc",
            test_rows: 500,
            chosen: &linear,
            transformer: None,
            baseline: Some(&linear),
            trivial: Some(&trivial),
            paired: Some(&paired),
            beaten_by_none: None,
        };
        assert_eq!(
            verdict(&input),
            "The linear model is better than always answering 'B': ROC AUC 0.931 against 0.500 on 500 test rows, \
             difference 0.431, 95% interval 0.410 to 0.452, p < 0.001."
        );
        let undefined = VerdictInput {
            transformer: Some(&linear),
            paired: None,
            ..input.clone()
        };
        assert_eq!(
            verdict(&undefined),
            "The test rows cannot tell the models apart: ROC AUC is not defined for them."
        );
        let alone = VerdictInput {
            chosen: &trivial,
            baseline: None,
            trivial: None,
            paired: None,
            ..input
        };
        assert_eq!(
            verdict(&alone),
            "Always answering 'B' was not compared with anything."
        );
    }

    #[test]
    fn an_encoder_is_called_by_its_name() {
        let encoder = contestant("all-MiniLM-L6-v2", MemberRole::Transformer, 0.8);
        assert_eq!(encoder.called(), "the transformer all-MiniLM-L6-v2");
    }
}
