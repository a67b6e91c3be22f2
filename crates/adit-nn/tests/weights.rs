//! Weight files that are not what they should be.

use std::path::Path;

use adit_nn::{
    BertLikeConfig, Encoder, EncoderConfig, NnError, Params, Tensor, WeightFile, WeightFiles,
};

fn open(name: &str, bytes: &[u8]) -> Result<WeightFile, NnError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    WeightFile::open(&path)
}

fn good() -> Vec<u8> {
    let mut params = Params::new();
    params.add(
        "a",
        Tensor::new(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap(),
    );
    params.add("b", Tensor::new(&[1], vec![7.0]).unwrap());
    params.to_safetensors_bytes()
}

/// A file with the header `json` and `n` bytes of data.
fn with_header(json: &str, n: usize) -> Vec<u8> {
    let mut out = (json.len() as u64).to_le_bytes().to_vec();
    out.extend_from_slice(json.as_bytes());
    out.extend(std::iter::repeat_n(0u8, n));
    out
}

#[test]
fn a_good_file_is_read() {
    let file = open("x.safetensors", &good()).unwrap();
    assert_eq!(file.names(), ["a", "b"]);
    assert_eq!(file.shape("a"), Some(&[2usize, 3][..]));
    assert_eq!(
        file.read("a", &[2, 3]).unwrap().data,
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    );
    assert_eq!(file.read("b", &[1]).unwrap().data, [7.0]);
}

#[test]
fn half_and_brain_floats_are_read() {
    for (kind, bytes) in [
        ("F16", [0x00, 0x3c, 0x00, 0xc0]),
        ("BF16", [0x80, 0x3f, 0x00, 0xc0]),
    ] {
        let json = format!(r#"{{"t":{{"dtype":"{kind}","shape":[2],"data_offsets":[0,4]}}}}"#);
        let mut file = with_header(&json, 0);
        file.extend(bytes);
        assert_eq!(
            open("x.safetensors", &file)
                .unwrap()
                .read("t", &[2])
                .unwrap()
                .data,
            [1.0, -2.0],
            "{kind}"
        );
    }
}

#[test]
fn files_cut_anywhere_are_refused() {
    let whole = good();
    for len in 0..whole.len() {
        let error = open("x.safetensors", &whole[..len]).expect_err("a cut file was read");
        assert!(matches!(error, NnError::Corrupt { .. }), "{len}: {error}");
        assert!(error.to_string().contains("x.safetensors"), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn corrupt_headers_are_refused() {
    let one = |entry: &str| format!(r#"{{"t":{entry}}}"#);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("no json", with_header("not json", 8)),
        ("a list", with_header("[]", 0)),
        ("a number", with_header("12", 0)),
        ("not utf-8", {
            let mut f = with_header("{}", 0);
            f[8] = 0xff;
            f
        }),
        ("length of header beyond the cap", {
            let mut f = good();
            f[..8].copy_from_slice(&u64::MAX.to_le_bytes());
            f
        }),
        ("length of header above the file", {
            let mut f = good();
            f[..8].copy_from_slice(&100_000u64.to_le_bytes());
            f
        }),
        ("length of header zero", {
            let mut f = good();
            f[..8].copy_from_slice(&0u64.to_le_bytes());
            f
        }),
        ("length of header too short", {
            let mut f = good();
            f[0] -= 9;
            f
        }),
        (
            "offsets beyond the file",
            with_header(
                &one(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16]}"#),
                8,
            ),
        ),
        (
            "offsets reversed",
            with_header(
                &one(r#"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#),
                8,
            ),
        ),
        (
            "offsets too narrow for the shape",
            with_header(
                &one(r#"{"dtype":"F32","shape":[4],"data_offsets":[0,8]}"#),
                8,
            ),
        ),
        (
            "offsets too wide for the shape",
            with_header(
                &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[0,8]}"#),
                8,
            ),
        ),
        (
            "offsets negative",
            with_header(
                &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}"#),
                8,
            ),
        ),
        (
            "offsets huge",
            with_header(
                &one(
                    r#"{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551615]}"#,
                ),
                8,
            ),
        ),
        (
            "a hole at the start",
            with_header(
                &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#),
                8,
            ),
        ),
        (
            "bytes after the end",
            with_header(
                &one(r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#),
                8,
            ),
        ),
        (
            "a shape whose product overflows",
            with_header(
                &one(r#"{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}"#),
                8,
            ),
        ),
        (
            "a negative dimension",
            with_header(
                &one(r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#),
                4,
            ),
        ),
        (
            "an unknown type",
            with_header(
                &one(r#"{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}"#),
                4,
            ),
        ),
        (
            "no shape",
            with_header(&one(r#"{"dtype":"F32","data_offsets":[0,4]}"#), 4),
        ),
        (
            "no offsets",
            with_header(&one(r#"{"dtype":"F32","shape":[1]}"#), 4),
        ),
        (
            "overlapping tensors",
            with_header(
                r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
                12,
            ),
        ),
        (
            "an unclosed brace",
            with_header(r#"{"a":{"dtype":"F32""#, 4),
        ),
    ];
    assert!(cases.len() >= 20);
    for (what, bytes) in cases {
        let error = open("x.safetensors", &bytes).expect_err(what);
        assert!(matches!(error, NnError::Corrupt { .. }), "{what}: {error}");
    }
}

#[test]
fn every_flipped_byte_of_a_header_is_refused_or_changes_only_names_and_shapes() {
    let whole = good();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for at in 0..8 + header {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            // Must not panic, and what is read must be inside the file.
            if let Ok(file) = WeightFile::from_bytes(Path::new("x.safetensors"), bytes) {
                for name in file.names() {
                    let shape = file.shape(&name).unwrap().to_vec();
                    let _ = file.read(&name, &shape);
                }
            }
        }
    }
}

#[test]
fn pickles_are_refused_by_name_and_by_content() {
    for name in [
        "pytorch_model.bin",
        "model.pt",
        "model.pth",
        "model.PKL",
        "a.ckpt",
    ] {
        assert!(
            matches!(open(name, &good()), Err(NnError::Pickle { .. })),
            "{name}"
        );
    }
    for bytes in [
        &b"PK\x03\x04\x00\x00\x08\x08\x00"[..],
        b"\x80\x02}q\x00(X\x01\x00\x00\x00",
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P",
    ] {
        let error = open("model.safetensors", bytes).unwrap_err();
        assert!(matches!(error, NnError::Pickle { .. }), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = WeightFile::open(Path::new("/nowhere/at/all.safetensors")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all.safetensors"));
}

#[test]
fn errors_name_file_tensor_and_both_shapes() {
    let file = open("x.safetensors", &good()).unwrap();
    let error = file.read("a", &[3, 2]).unwrap_err().to_string();
    for part in ["x.safetensors", "tensor a", "[2, 3]", "[3, 2]"] {
        assert!(error.contains(part), "{error}");
    }
    let error = file.read("c", &[3]).unwrap_err().to_string();
    assert!(
        error.contains("tensor c is missing") && error.contains("x.safetensors"),
        "{error}"
    );
    let ints = with_header(
        r#"{"t":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}"#,
        4,
    );
    let error = open("x.safetensors", &ints)
        .unwrap()
        .read("t", &[1])
        .unwrap_err();
    assert!(
        matches!(error, NnError::WrongType { .. }) && error.to_string().contains("I32"),
        "{error}"
    );
}

fn small() -> EncoderConfig {
    EncoderConfig::from_json(
        r#"{"model_type": "bert", "vocab_size": 11, "hidden_size": 4, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 6}"#,
    )
    .unwrap()
}

/// The weights of a small BERT under other names; `None` leaves one out.
fn renamed(rename: impl Fn(&str) -> Option<String>) -> (WeightFiles, Params) {
    let mut params = Params::new();
    Encoder::new(&small(), &mut params, 42);
    let mut other = Params::new();
    for (_, name, tensor) in params.iter() {
        if let Some(name) = rename(name) {
            other.add(name, tensor.clone());
        }
    }
    (
        WeightFile::from_bytes(Path::new("m.safetensors"), other.to_safetensors_bytes())
            .unwrap()
            .into(),
        params,
    )
}

#[test]
fn names_with_and_without_prefix_and_old_names_are_understood() {
    let bare = |name: &str| Some(name.strip_prefix("bert.").unwrap().to_string());
    let old = |name: &str| {
        Some(
            name.replace("LayerNorm.weight", "LayerNorm.gamma")
                .replace("LayerNorm.bias", "LayerNorm.beta"),
        )
    };
    for (file, want) in [
        renamed(|name| Some(name.into())),
        renamed(bare),
        renamed(old),
    ] {
        let mut params = Params::new();
        Encoder::load(&small(), &file, &mut params).unwrap();
        for (id, name, tensor) in want.iter() {
            assert_eq!(params.get(id), tensor, "{name}");
        }
    }
}

#[test]
fn only_the_pooler_may_be_missing() {
    let (file, _) = renamed(|name| (!name.contains("pooler")).then(|| name.into()));
    let mut params = Params::new();
    Encoder::load(&small(), &file, &mut params).unwrap();
    let pooler = params.get(params.by_name("bert.pooler.dense.weight").unwrap());
    assert!(
        pooler.data.iter().all(|&v| v != 0.0),
        "a pooler of zeros learns nothing"
    );
    let (file, _) = renamed(|name| (!name.contains("query.bias")).then(|| name.into()));
    let error = Encoder::load(&small(), &file, &mut Params::new()).unwrap_err();
    assert!(
        matches!(&error, NnError::MissingTensor { name, .. } if name.ends_with("query.bias")),
        "{error}"
    );
    let (file, _) = renamed(|name| Some(name.into()));
    let EncoderConfig::BertLike(narrow) = small() else {
        panic!("a BERT");
    };
    let wide = EncoderConfig::from(BertLikeConfig {
        intermediate_size: 9,
        ..narrow
    });
    let error = Encoder::load(&wide, &file, &mut Params::new()).unwrap_err();
    assert!(matches!(error, NnError::WrongShape { .. }), "{error}");
}
