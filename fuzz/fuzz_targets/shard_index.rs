//! Any bytes as the index of a model's shards: an error, or tensors of shards in the folder.
#![no_main]

use adit_nn::{Params, Tensor, WeightFiles};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("model");
    std::fs::create_dir(&folder).expect("a folder");
    let mut params = Params::new();
    params.add("a", Tensor::full(&[2], 1.0));
    let shard = params.to_safetensors_bytes();
    for place in [&folder, &root.path().to_path_buf()] {
        std::fs::write(place.join("s.safetensors"), &shard).expect("a file");
    }
    std::fs::write(folder.join("model.safetensors.index.json"), data).expect("a file");
    let names = WeightFiles::names_of_files(&folder);
    let Ok(files) = WeightFiles::open(&folder) else {
        return;
    };
    assert_eq!(files.names(), ["a"]);
    assert_eq!(files.read("a", &[2]).expect("a tensor").data, [1.0; 2]);
    let names = names.expect("an index that was read");
    assert_eq!(names, ["model.safetensors.index.json", "s.safetensors"]);
});
