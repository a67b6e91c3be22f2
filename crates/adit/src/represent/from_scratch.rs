//! A small text encoder begun from scratch: a vocabulary learned from the texts, and weights that are
//! drawn, in the form of RoBERTa (Liu et al. 2019).

use adit_nn::{EncoderConfig, MaskedLm, Params};
use serde_json::{Value, json};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::{Lowercase, NFC, NormalizerWrapper, Sequence};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, Tokenizer};

use super::RepresentError;

/// The special tokens, by id.
const SPECIAL: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

/// Tokens that every vocabulary has: the special ones and the bytes.
pub const LEAST_VOCABULARY: usize = SPECIAL.len() + 256;

/// How large a new encoder is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewEncoder {
    /// Tokens of the vocabulary at most; fewer where the texts have no more pairs that come twice.
    pub vocab_size: usize,
    pub n_layers: usize,
    /// Values a token, a multiple of 32.
    pub hidden_size: usize,
    /// Longest text in tokens.
    pub max_tokens: usize,
    /// Tells `May` from `may`.
    pub keep_case: bool,
    pub seed: u64,
}

impl NewEncoder {
    /// The files of a Hugging Face directory, by name: a byte-pair tokenizer (Sennrich et al. 2016) over
    /// bytes, so that every text has tokens, and weights drawn from the seed.
    ///
    /// The same texts, in any order, and the same seed give the same bytes.
    ///
    /// # Errors
    /// A size that no model has.
    pub fn files(&self, texts: &[&str]) -> Result<[(&'static str, Vec<u8>); 4], RepresentError> {
        let fail = |reason: String| RepresentError::Encoder {
            path: "a new encoder".into(),
            reason,
        };
        let tokenizer = self.tokenizer(texts).map_err(|e| fail(e.to_string()))?;
        let config = self.config(tokenizer.get_vocab_size(true)).to_string();
        let mut params = Params::new();
        let parsed = EncoderConfig::from_json(&config)?;
        let EncoderConfig::BertLike(sizes) = &parsed else {
            return Err(fail("it is not of BERT's line".into()));
        };
        MaskedLm::new(sizes, &mut params, self.seed)?;
        let tokens = tokenizer
            .to_string(false)
            .map_err(|e| fail(e.to_string()))?;
        let named = self.tokenizer_config().to_string();
        Ok([
            ("config.json", config.into_bytes()),
            ("tokenizer.json", tokens.into_bytes()),
            ("tokenizer_config.json", named.into_bytes()),
            ("model.safetensors", params.to_safetensors_bytes()),
        ])
    }

    /// The library's trainer for byte pairs breaks ties by ids, and ids follow from the sorted bytes; its
    /// other trainers number tokens in the order of a hash table.
    fn tokenizer(&self, texts: &[&str]) -> tokenizers::Result<Tokenizer> {
        let mut steps: Vec<NormalizerWrapper> = vec![NFC.into()];
        if !self.keep_case {
            steps.push(Lowercase.into());
        }
        let special = SPECIAL.map(|word| AddedToken::from(word, true));
        let mut trainer = TrainerWrapper::BpeTrainer(
            BpeTrainer::builder()
                .vocab_size(self.vocab_size)
                .min_frequency(2)
                .show_progress(false)
                .special_tokens(special.to_vec())
                .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
                .build(),
        );
        let mut tokenizer = Tokenizer::new(BPE::default());
        tokenizer
            .with_normalizer(Some(Sequence::new(steps)))?
            .with_pre_tokenizer(Some(ByteLevel::new(true, true, true)))
            .with_decoder(Some(ByteLevel::new(true, true, true)))
            .with_post_processor(Some(
                RobertaProcessing::new((SPECIAL[2].into(), 2), (SPECIAL[0].into(), 0))
                    .trim_offsets(true)
                    .add_prefix_space(true),
            ));
        tokenizer.train(&mut trainer, texts.iter())?;
        Ok(tokenizer)
    }

    fn config(&self, vocab_size: usize) -> Value {
        let heads_of_64 = self.hidden_size.is_multiple_of(64);
        json!({
            "architectures": ["RobertaForMaskedLM"],
            "model_type": "roberta",
            "vocab_size": vocab_size,
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.n_layers,
            "num_attention_heads": self.hidden_size / if heads_of_64 { 64 } else { 32 },
            "intermediate_size": 4 * self.hidden_size,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            // Positions begin after the padding token's number.
            "max_position_embeddings": self.max_tokens + 2,
            "type_vocab_size": 1,
            "layer_norm_eps": 1e-5,
            "initializer_range": 0.02,
            "bos_token_id": 0,
            "pad_token_id": 1,
            "eos_token_id": 2,
        })
    }

    fn tokenizer_config(&self) -> Value {
        json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.max_tokens,
            "bos_token": SPECIAL[0],
            "cls_token": SPECIAL[0],
            "pad_token": SPECIAL[1],
            "eos_token": SPECIAL[2],
            "sep_token": SPECIAL[2],
            "unk_token": SPECIAL[3],
            "mask_token": SPECIAL[4],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::represent::encoder::EncoderDirectory;

    const NEW: NewEncoder = NewEncoder {
        vocab_size: 300,
        n_layers: 1,
        hidden_size: 32,
        max_tokens: 16,
        keep_case: false,
        seed: 1,
    };

    fn texts() -> Vec<String> {
        (0..200)
            .map(|i| format!("Pump {} leaks oil, valve {} holds", i % 7, i % 11))
            .collect()
    }

    fn written(new: NewEncoder, texts: &[String]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for (name, bytes) in new.files(&texts).expect("files") {
            std::fs::write(folder.path().join(name), bytes).expect("written");
        }
        folder
    }

    fn bytes(folder: &tempfile::TempDir) -> Vec<Vec<u8>> {
        ["config.json", "tokenizer.json", "model.safetensors"]
            .map(|name| std::fs::read(folder.path().join(name)).expect(name))
            .to_vec()
    }

    #[test]
    fn the_same_texts_in_any_order_give_the_same_bytes() {
        let (texts, mut turned) = (texts(), texts());
        turned.reverse();
        let first = bytes(&written(NEW, &texts));
        for _ in 0..5 {
            assert!(first == bytes(&written(NEW, &turned)));
        }
        let other = bytes(&written(NewEncoder { seed: 2, ..NEW }, &texts));
        assert!(first[2] != other[2], "the seed draws no weights");
    }

    #[test]
    fn frequent_words_are_one_token_and_every_text_has_tokens() {
        let folder = written(NEW, &texts());
        let encoder = EncoderDirectory::open(folder.path(), "new").expect("an encoder");
        assert_eq!(encoder.max_tokens(), 16);
        let tokenizer = encoder.tokenizer(16).expect("a tokenizer");
        assert_eq!(tokenizer.mask_token(), Some(4));
        let known = tokenizer.encode(&["PUMP leaks oil", "pump leaks oil"]);
        let known = known.expect("tokens");
        assert_eq!(known[0], known[1], "case is not folded");
        assert_eq!(known[0].ids.len(), 5, "<s>, three words, </s>");
        let strange = tokenizer.encode(&["Ω ☃ 漢"]).expect("tokens");
        assert!(!strange[0].ids.contains(&3), "no token is unknown");
        let cased = NewEncoder {
            keep_case: true,
            ..NEW
        };
        let folder = written(cased, &texts());
        let encoder = EncoderDirectory::open(folder.path(), "new").expect("an encoder");
        let found = encoder.tokenizer(16).expect("a tokenizer");
        let found = found.encode(&["PUMP", "Pump"]).expect("tokens");
        assert_ne!(found[0], found[1]);
    }

    #[test]
    fn texts_with_nothing_in_common_have_the_bytes_alone() {
        let folder = written(NEW, &["a".to_string(), "b".to_string()]);
        let encoder = EncoderDirectory::open(folder.path(), "new").expect("an encoder");
        assert_eq!(encoder.config().vocab_size(), LEAST_VOCABULARY);
    }
}
