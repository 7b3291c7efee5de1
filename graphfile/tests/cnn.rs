//! The CNN program trains.

mod interpreter;

use std::path::Path;

use drawloom_graphfile::Loaded;
use interpreter::{example, interpret, scalar};

const CNN: &str = "cnn/cnn.star";

fn cnn(parameters: &[(&str, &str)]) -> Loaded {
    example(CNN, parameters).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_few_epochs_read_most_of_the_digits_held_out() {
    let loaded = cnn(&[("epochs", "5"), ("width", "8"), ("shards", "1"), ("rate", "0.01")]);
    let made = interpret(&loaded);
    let (accuracy, loss) = (scalar(&loaded, &made, "accuracy"), scalar(&loaded, &made, "loss"));
    assert!(accuracy >= 0.88, "accuracy {accuracy}");
    assert!(loss < 0.8, "loss {loss}");
}

#[test]
fn shards_add_up_to_the_same_steps() {
    let trained = |shards: &str| {
        let loaded = cnn(&[("epochs", "1"), ("width", "4"), ("shards", shards)]);
        let made = interpret(&loaded);
        (scalar(&loaded, &made, "accuracy"), made.len())
    };
    let ((one, few), (four, many)) = (trained("1"), trained("4"));
    // Sums of parts are rounded differently, which training makes more of.
    assert!((one - four).abs() < 0.1, "{one} {four}");
    assert!(many > 2 * few, "{few} {many}");
}

#[test]
fn the_default_program_is_not_too_large_and_its_data_is_the_digits() {
    let loaded = cnn(&[]);
    let tasks = loaded.graph.tasks.len();
    assert!((20_000..100_000).contains(&tasks), "{tasks} tasks");
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits/digits.csv");
    assert_eq!(loaded.files.len(), 1);
    assert!(loaded.files[0].bytes == std::fs::read(original).expect("the data"));
}

#[test]
fn a_bad_parameter_is_explained_by_the_program() {
    let error = example(CNN, &[("batch", "63")]).expect_err("2 does not divide 63").to_string();
    assert!(error.contains("cnn.star:") && error.contains("batch = 63"), "{error}");
}
