//! Model directories with one thing wrong: each is an error that names it, and none costs memory.

use std::path::Path;

use adit_nn::{Encoder, EncoderConfig, NnError, Params, Tensor, WeightFiles};

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const CONFIG: &str = r#"{"model_type": "bert", "vocab_size": 11, "hidden_size": 4, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 6}"#;
const QUERY: &str = "bert.encoder.layer.0.attention.self.query.weight";
const WORDS: &str = "bert.embeddings.word_embeddings.weight";

/// Reads a model directory as everyone does.
fn load(folder: &Path) -> Result<(), NnError> {
    let text = std::fs::read(folder.join("config.json")).expect("a file");
    let config = EncoderConfig::from_json(&String::from_utf8_lossy(&text))?;
    let files = WeightFiles::open(folder)?;
    Encoder::load(&config, &files, &mut Params::new()).map(|_| ())
}

fn weights() -> Params {
    let mut params = Params::new();
    let config = EncoderConfig::from_json(CONFIG).expect("a configuration");
    Encoder::new(&config, &mut params, 42);
    params
}

fn bytes() -> Vec<u8> {
    weights().to_safetensors_bytes()
}

/// One thing that is wrong.
struct Case {
    name: String,
    /// Files that stand in place of, or beside, those of a model that is whole.
    files: Vec<(&'static str, Vec<u8>)>,
    /// What the error must say.
    says: Vec<&'static str>,
}

fn case(name: &str, files: Vec<(&'static str, Vec<u8>)>, says: &[&'static str]) -> Case {
    Case {
        name: name.to_string(),
        files,
        says: says.to_vec(),
    }
}

/// A weight file with this header and `n` bytes of data.
fn headed(header: &[u8], n: usize) -> Vec<u8> {
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend_from_slice(header);
    out.resize(out.len() + n, 0);
    out
}

/// A header with one tensor `t`.
fn tensor(kind: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"t":{{"dtype":{kind},"shape":{shape},"data_offsets":{offsets}}}}}"#)
}

/// The good header between two of whose characters something is put in place of `from`.
fn edited(from: &str, to: &str) -> Vec<u8> {
    let whole = bytes();
    let length = u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    let header = String::from_utf8(whole[8..8 + length].to_vec()).expect("a header");
    let changed = header.replacen(from, to, 1);
    assert_ne!(header, changed, "{from}");
    let mut out = headed(changed.as_bytes(), 0);
    out.extend_from_slice(&whole[8 + length..]);
    out
}

/// The good file but that its header claims so many bytes.
fn claiming(length: u64) -> Vec<u8> {
    let mut whole = bytes();
    whole[..8].copy_from_slice(&length.to_le_bytes());
    whole
}

/// The good weights, but one of them.
fn with(name: &str, tensor: Tensor) -> Vec<u8> {
    let mut params = weights();
    assert!(params.by_name(name).is_some(), "{name}");
    params.add(name, tensor);
    params.to_safetensors_bytes()
}

fn without(name: &str) -> Vec<u8> {
    weights().to_safetensors_bytes_of(|other| other != name)
}

fn broken_headers() -> Vec<Case> {
    let one = |kind: &str, shape: &str, offsets: &str, n: usize| {
        headed(tensor(kind, shape, offsets).as_bytes(), n)
    };
    let f32 = r#""F32""#;
    let deep = |n: usize| "[".repeat(n);
    let pair = |a: &str, b: &str| {
        let entry = |shape: &str, at: &str| {
            format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":{at}}}"#)
        };
        let header = format!(r#"{{"a":{},"b":{}}}"#, entry("[2]", a), entry("[2]", b));
        headed(header.as_bytes(), 16)
    };
    let twice = r#"{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let huge = "[18446744073709551608,18446744073709551615]";
    vec![
        ("an empty file", Vec::new(), vec!["8"]),
        ("a file of seven bytes", vec![1; 7], vec!["7 bytes"]),
        (
            "nothing after the length",
            100u64.to_le_bytes().to_vec(),
            vec!["cut short"],
        ),
        (
            "a header cut short",
            bytes()[..200].to_vec(),
            vec!["cut short"],
        ),
        (
            "values cut short",
            bytes()[..bytes().len() - 4].to_vec(),
            vec!["file"],
        ),
        (
            "bytes after the values",
            {
                let mut all = bytes();
                all.push(0);
                all
            },
            vec!["file"],
        ),
        ("a header of no bytes", claiming(0), vec!["header"]),
        (
            "a header just beyond the file",
            claiming(bytes().len() as u64 - 7),
            vec!["cut short"],
        ),
        (
            "a header of 2^40 bytes",
            claiming(1 << 40),
            vec!["1099511627776"],
        ),
        (
            "a header of 2^63 bytes",
            claiming(1 << 63),
            vec!["9223372036854775808"],
        ),
        (
            "a header of 2^64 - 1 bytes",
            claiming(u64::MAX),
            vec!["18446744073709551615"],
        ),
        (
            "a header that is not JSON",
            headed(b"weights", 8),
            vec!["header"],
        ),
        (
            "a header that is a list",
            headed(b"[]", 0),
            vec!["an object"],
        ),
        (
            "a header that is not UTF-8",
            headed(b"{\"\xff\xfe\": 1}", 0),
            vec!["header"],
        ),
        (
            "a header with an open brace",
            headed(br#"{"t":{"dtype":"F32""#, 4),
            vec!["EOF"],
        ),
        (
            "a header with a word behind it",
            headed(br#"{} more"#, 0),
            vec!["trailing"],
        ),
        (
            "a header of a thousand lists",
            headed(format!(r#"{{"t":{}"#, deep(1000)).as_bytes(), 0),
            vec!["t: "],
        ),
        (
            "a million lists where a field is unknown",
            headed(format!(r#"{{"t":{{"x":{}"#, deep(1_000_000)).as_bytes(), 0),
            vec!["header"],
        ),
        (
            "a name that stands twice",
            headed(twice.as_bytes(), 8),
            vec!["t stands there twice"],
        ),
        ("tensors that overlap", pair("[0,8]", "[4,12]"), vec!["`b`"]),
        (
            "tensors at one place",
            pair("[0,8]", "[0,8]"),
            vec!["invalid offset"],
        ),
        (
            "a hole between tensors",
            pair("[0,8]", "[9,17]"),
            vec!["`b`"],
        ),
        (
            "a hole before the first tensor",
            one(f32, "[1]", "[4,8]", 8),
            vec!["`t`"],
        ),
        (
            "offsets reversed",
            one(f32, "[2]", "[8,0]", 8),
            vec!["tensor t"],
        ),
        (
            "offsets beyond the file",
            one(f32, "[4]", "[0,16]", 8),
            vec!["file"],
        ),
        (
            "offsets near 2^64",
            one(f32, "[2]", huge, 8),
            vec!["tensor t"],
        ),
        (
            "an offset below zero",
            one(f32, "[1]", "[-4,0]", 8),
            vec!["t: ", "-4"],
        ),
        (
            "a fraction as an offset",
            one(f32, "[1]", "[0,4.0]", 4),
            vec!["t: ", "4.0"],
        ),
        ("one offset", one(f32, "[1]", "[0]", 4), vec!["t: "]),
        (
            "a type that is not there",
            one(r#""Q4_K""#, "[1]", "[0,4]", 4),
            vec!["t: ", "Q4_K"],
        ),
        (
            "a type that is a number",
            one("32", "[1]", "[0,4]", 4),
            vec!["t: "],
        ),
        (
            "a shape whose product overflows",
            one(f32, "[4294967296,4294967296]", "[0,8]", 8),
            vec!["tensor t"],
        ),
        (
            "a shape whose size overflows",
            one(f32, "[4611686018427387904]", "[0,0]", 0),
            vec!["tensor t"],
        ),
        (
            "more values than bytes",
            one(f32, "[3]", "[0,8]", 8),
            vec!["tensor t"],
        ),
        (
            "fewer values than bytes",
            one(f32, "[1]", "[0,8]", 8),
            vec!["tensor t"],
        ),
        (
            "a dimension below zero",
            one(f32, "[-1]", "[0,4]", 4),
            vec!["t: ", "-1"],
        ),
        (
            "a fraction as a dimension",
            one(f32, "[1.5]", "[0,6]", 6),
            vec!["t: ", "1.5"],
        ),
        (
            "a dimension of 10^30",
            one(f32, "[1000000000000000000000000000000]", "[0,4]", 4),
            vec!["t: "],
        ),
        (
            "a million dimensions",
            one(f32, &format!("[1{}]", ",1".repeat(999_999)), "[0,4]", 4),
            vec!["1000000 dimensions"],
        ),
        (
            "no shape",
            headed(br#"{"t":{"dtype":"F32","data_offsets":[0,4]}}"#, 4),
            vec!["shape"],
        ),
        (
            "no offsets",
            headed(br#"{"t":{"dtype":"F32","shape":[1]}}"#, 4),
            vec!["data_offsets"],
        ),
        (
            "no type",
            headed(br#"{"t":{"shape":[1],"data_offsets":[0,4]}}"#, 4),
            vec!["dtype"],
        ),
        (
            "metadata that are no texts",
            headed(br#"{"__metadata__":{"a":1}}"#, 0),
            vec!["__metadata__"],
        ),
        (
            "a good header with a space too many",
            edited("{", "{ \u{a0}"),
            vec!["header"],
        ),
    ]
    .into_iter()
    .map(|(name, bytes, mut says)| {
        says.push(WEIGHTS);
        case(name, vec![(WEIGHTS, bytes)], &says)
    })
    .collect()
}

fn wrong_weights() -> Vec<Case> {
    let values = |value: f32| {
        let mut tensor = Tensor::full(&[4, 4], 0.5);
        tensor.data[9] = value;
        with(QUERY, tensor)
    };
    // The words are read first, so a file of one other tensor has to hold them too.
    let kind = |kind: &str, size: usize| {
        let mut params = weights();
        params.add(QUERY, Tensor::zeros(&[0]));
        let all = params.to_safetensors_bytes();
        let length = u64::from_le_bytes(all[..8].try_into().expect("eight bytes")) as usize;
        let header = String::from_utf8(all[8..8 + length].to_vec()).expect("a header");
        let end = all.len() - 8 - length;
        let at = header.find(QUERY).expect("the tensor");
        let close = at + header[at..].find('}').expect("its end");
        let entry = format!(
            r#"{QUERY}":{{"dtype":"{kind}","shape":[4,4],"data_offsets":[{end},{}]"#,
            end + 16 * size
        );
        let header = format!("{}{entry}{}", &header[..at], &header[close..]);
        let mut out = headed(header.as_bytes(), 0);
        out.extend_from_slice(&all[8 + length..]);
        out.resize(out.len() + 16 * size, 0x7c);
        out
    };
    vec![
        ("NaN", values(f32::NAN), vec![QUERY, "value 9", "NaN"]),
        (
            "an infinity",
            values(f32::INFINITY),
            vec![QUERY, "value 9", "inf"],
        ),
        (
            "an infinity below zero",
            values(f32::NEG_INFINITY),
            vec![QUERY, "-inf"],
        ),
        (
            "infinities in half precision",
            kind("F16", 2),
            vec![QUERY, "value 0"],
        ),
        ("integers", kind("I64", 8), vec![QUERY, "I64"]),
        ("doubles", kind("F64", 8), vec![QUERY, "F64"]),
        (
            "eight-bit floats",
            kind("F8_E4M3", 1),
            vec![QUERY, "F8_E4M3"],
        ),
        ("no tensor at all", headed(b"{}", 0), vec![WORDS, "missing"]),
        ("a tensor missing", without(QUERY), vec![QUERY, "missing"]),
        (
            "a tensor turned",
            with(
                "bert.encoder.layer.0.intermediate.dense.weight",
                Tensor::zeros(&[4, 8]),
            ),
            vec!["intermediate", "[4, 8]", "[8, 4]"],
        ),
        (
            "a tensor of another rank",
            with(QUERY, Tensor::zeros(&[16])),
            vec![QUERY, "[16]"],
        ),
        (
            "a tensor of no values",
            with(QUERY, Tensor::zeros(&[0, 4])),
            vec![QUERY, "[0, 4]"],
        ),
        (
            "a zip of pickles",
            b"PK\x03\x04\x00\x00\x08\x08\x00\x00".to_vec(),
            vec!["pickle"],
        ),
        (
            "a pickle",
            b"\x80\x02}q\x00(X\x01\x00\x00\x00".to_vec(),
            vec!["pickle"],
        ),
    ]
    .into_iter()
    .map(|(name, bytes, mut says)| {
        says.push(WEIGHTS);
        case(name, vec![(WEIGHTS, bytes)], &says)
    })
    .collect()
}

fn wrong_indexes() -> Vec<Case> {
    let shard = bytes;
    let map = |tensor: &str, shard: &str| {
        format!(r#"{{"weight_map": {{"{tensor}": "{shard}"}}}}"#).into_bytes()
    };
    let shards = |index: Vec<u8>| vec![(INDEX, index), ("s1.safetensors", shard())];
    let twice = format!(
        r#"{{"weight_map": {{"{QUERY}": "s1.safetensors", "{QUERY}": "s2.safetensors"}}}}"#
    );
    vec![
        ("an index that is empty", Vec::new(), vec![INDEX]),
        ("an index that is no JSON", b"shards".to_vec(), vec![INDEX]),
        (
            "an index that is not UTF-8",
            b"{\"weight_map\": {\"\xff\": \"s1.safetensors\"}}".to_vec(),
            vec![INDEX],
        ),
        (
            "an index without a map",
            b"{}".to_vec(),
            vec![INDEX, "weight_map"],
        ),
        (
            "an index of nothing",
            br#"{"weight_map": {}}"#.to_vec(),
            vec![INDEX, "no tensor"],
        ),
        (
            "an index with a number for a shard",
            br#"{"weight_map": {"a": 7}}"#.to_vec(),
            vec![INDEX, "a: ", "7"],
        ),
        (
            "an index of a hundred thousand lists",
            format!(r#"{{"x": {}"#, "[".repeat(100_000)).into_bytes(),
            vec![INDEX],
        ),
        (
            "a tensor that stands twice",
            twice.into_bytes(),
            vec![INDEX, QUERY, "twice"],
        ),
        (
            "a shard that is not there",
            map(QUERY, "s7.safetensors"),
            vec!["s7.safetensors"],
        ),
        (
            "a shard above the folder",
            map(QUERY, "../s1.safetensors"),
            vec![INDEX, "../s1.safetensors"],
        ),
        (
            "a shard at the root",
            map(QUERY, "/etc/s1.safetensors"),
            vec![INDEX, "/etc/s1"],
        ),
        (
            "a shard that is a pickle",
            map(QUERY, "s1.bin"),
            vec![INDEX, "s1.bin"],
        ),
        (
            "a shard without the tensor",
            map("other", "s1.safetensors"),
            vec![INDEX, "other", "s1.safetensors"],
        ),
        (
            "an index without most tensors",
            map(QUERY, "s1.safetensors"),
            vec![INDEX, WORDS, "missing"],
        ),
    ]
    .into_iter()
    .map(|(name, index, says)| case(name, shards(index), &says))
    .collect()
}

fn wrong_configurations() -> Vec<Case> {
    let field = |from: &str, to: &str| {
        let changed = CONFIG.replacen(from, to, 1);
        assert_ne!(changed, CONFIG, "{from}");
        changed
    };
    let vocabulary = |to: &str| field(r#""vocab_size": 11"#, to);
    let heads = |to: &str| field(r#""num_attention_heads": 2"#, to);
    let hidden = |to: &str| field(r#""hidden_size": 4"#, to);
    let t5 = |more: &str| format!(r#"{{"model_type": "t5", {more}}}"#);
    let modern = |more: &str| format!(r#"{{"model_type": "modernbert", {more}}}"#);
    vec![
        (
            "an empty configuration",
            String::new(),
            vec!["configuration"],
        ),
        (
            "a configuration cut short",
            CONFIG[..40].to_string(),
            vec!["configuration"],
        ),
        (
            "a configuration that is a list",
            "[1]".into(),
            vec!["an object"],
        ),
        (
            "a configuration of lists",
            "[".repeat(100_000),
            vec!["recursion"],
        ),
        (
            "no model type",
            field(r#""model_type": "bert", "#, ""),
            vec!["model_type"],
        ),
        (
            "another model type",
            field("bert", "mamba"),
            vec!["model_type", "mamba"],
        ),
        (
            "a model type that is a number",
            field(r#""bert""#, "7"),
            vec!["model_type", "7"],
        ),
        (
            "no heads",
            heads(r#""num_attention_heads": 0"#),
            vec!["num_attention_heads"],
        ),
        (
            "heads that do not divide the width",
            heads(r#""num_attention_heads": 3"#),
            vec!["num_attention_heads", "hidden_size"],
        ),
        (
            "more heads than 2^60",
            heads(r#""num_attention_heads": 1152921504606846976"#),
            vec!["num_attention_heads"],
        ),
        (
            "no width",
            hidden(r#""hidden_size": 0"#),
            vec!["hidden_size"],
        ),
        (
            "a width that is a text",
            hidden(r#""hidden_size": "4""#),
            vec!["hidden_size"],
        ),
        (
            "a width with a fraction",
            hidden(r#""hidden_size": 4.5"#),
            vec!["hidden_size", "4.5"],
        ),
        (
            "a width below zero",
            hidden(r#""hidden_size": -4"#),
            vec!["hidden_size", "-4"],
        ),
        (
            "a width of 2^64 and more",
            hidden(r#""hidden_size": 18446744073709551620"#),
            vec!["hidden_size"],
        ),
        (
            "a width that the weights have not",
            hidden(r#""hidden_size": 65536"#),
            vec![WORDS, "65536"],
        ),
        (
            "the width left out",
            hidden(r#""a": 1"#),
            vec![WORDS, "768"],
        ),
        (
            "a vocabulary that would take terabytes",
            vocabulary(r#""vocab_size": 16777216, "intermediate_size": 1048576"#),
            vec![WORDS, "16777216"],
        ),
        (
            "a vocabulary above all bounds",
            vocabulary(r#""vocab_size": 16777217"#),
            vec!["vocab_size"],
        ),
        (
            "a vocabulary that is a list",
            vocabulary(r#""vocab_size": [11]"#),
            vec!["vocab_size"],
        ),
        (
            "more layers than there are",
            field(r#""num_hidden_layers": 1"#, r#""num_hidden_layers": 2"#),
            vec!["layer.1.", "missing"],
        ),
        (
            "more layers than any model has",
            field(
                r#""num_hidden_layers": 1"#,
                r#""num_hidden_layers": 4294967295"#,
            ),
            vec!["num_hidden_layers"],
        ),
        (
            "dropout of everything",
            vocabulary(r#""vocab_size": 11, "hidden_dropout_prob": 1"#),
            vec!["hidden_dropout_prob"],
        ),
        (
            "an infinite epsilon",
            vocabulary(r#""vocab_size": 11, "layer_norm_eps": 1e60"#),
            vec!["layer_norm_eps"],
        ),
        (
            "an activation that is not built",
            vocabulary(r#""vocab_size": 11, "hidden_act": "mish""#),
            vec!["hidden_act", "mish"],
        ),
        (
            "T5 without heads",
            t5(r#""num_heads": 0"#),
            vec!["num_heads"],
        ),
        (
            "T5 with a text for a width",
            t5(r#""d_model": "512""#),
            vec!["configuration", "512"],
        ),
        (
            "T5 with a start beyond the words",
            t5(r#""vocab_size": 9, "decoder_start_token_id": 9"#),
            vec!["9"],
        ),
        (
            "T5 with too few buckets",
            t5(r#""relative_attention_num_buckets": 2"#),
            vec!["relative_attention_num_buckets"],
        ),
        (
            "ModernBERT without heads",
            modern(r#""num_attention_heads": 0"#),
            vec!["num_attention_heads"],
        ),
        (
            "ModernBERT with as many layers as memory has",
            modern(r#""num_hidden_layers": 9007199254740992"#),
            vec!["num_hidden_layers"],
        ),
        (
            "ModernBERT with odd heads",
            modern(r#""hidden_size": 9, "num_attention_heads": 3"#),
            vec!["hidden_size"],
        ),
        (
            "ModernBERT with no full attention",
            modern(r#""global_attn_every_n_layers": 0"#),
            vec!["global_attn_every_n_layers"],
        ),
    ]
    .into_iter()
    .map(|(name, text, says)| case(name, vec![("config.json", text.into_bytes())], &says))
    .collect()
}

/// The most address space that this process had at once, in bytes; none where the system does not say.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmPeak"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

#[test]
fn whatever_is_wrong_is_named_and_costs_no_memory() {
    let folder = |files: &[(&str, Vec<u8>)]| {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(dir.path().join(name), bytes).expect("written");
        };
        write("config.json", CONFIG.as_bytes());
        // Shards are read where there is no single file.
        if files.iter().all(|(name, _)| *name != INDEX) {
            write(WEIGHTS, &bytes());
        }
        files.iter().for_each(|(name, bytes)| write(name, bytes));
        dir
    };
    load(folder(&[]).path()).expect("a model that is whole");
    let mut cases = broken_headers();
    cases.extend(wrong_weights());
    cases.extend(wrong_indexes());
    cases.extend(wrong_configurations());
    assert!(cases.len() >= 100, "{}", cases.len());
    let before = most_memory();
    let mut amiss = Vec::new();
    for Case { name, files, says } in &cases {
        let dir = folder(files);
        match std::panic::catch_unwind(|| load(dir.path())) {
            Ok(Ok(())) => amiss.push(format!("{name}: was read")),
            Ok(Err(error)) => {
                let error = error.to_string();
                let silent = says.iter().filter(|part| !error.contains(**part));
                amiss.extend(silent.map(|part| format!("{name}: no {part:?} in: {error}")));
            }
            Err(_) => amiss.push(format!("{name}: a panic")),
        }
    }
    assert!(amiss.is_empty(), "{}", amiss.join("\n"));
    if let (Some(before), Some(after)) = (before, most_memory()) {
        let more = after.saturating_sub(before);
        assert!(more < 1 << 29, "{more} bytes were asked for");
    }
}
