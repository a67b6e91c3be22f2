//! Any bytes as a weight file: an error or whole tensors, never a panic or a huge allocation.
#![no_main]

use std::path::Path;

use adit_nn::WeightFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(file) = WeightFile::from_bytes(Path::new("fuzz.safetensors"), data.to_vec()) else {
        return;
    };
    for name in file.names() {
        let shape = file
            .shape(&name)
            .expect("a named tensor has a shape")
            .to_vec();
        if let Ok(tensor) = file.read(&name, &shape) {
            assert_eq!(tensor.len(), shape.iter().product::<usize>());
            assert!(
                tensor.len() * 2 <= data.len(),
                "a tensor is not longer than its file"
            );
        }
        assert!(file.read(&name, &[1, 2, 3, 4, 5, 6, 7]).is_err() || shape.len() == 7);
    }
});
