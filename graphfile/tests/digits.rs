//! The digits program trains.

mod interpreter;

use drawloom_graphfile::Loaded;
use interpreter::{example, interpret, scalar};

const DIGITS: &str = "digits/digits.star";

fn digits(parameters: &[(&str, &str)]) -> Loaded {
    example(DIGITS, parameters).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_default_program_has_thousands_of_tasks_and_few_copies_of_anything() {
    let loaded = digits(&[]);
    let tasks = loaded.graph.tasks.len();
    assert!((4_000..=10_500).contains(&tasks), "{tasks} tasks");
    assert!(loaded.graph.templates.len() * 5 < tasks, "{}", loaded.graph.templates.len());
    assert_eq!(loaded.files.len(), 1);
    assert_eq!(loaded.files[0].name, "digits.csv");
}

#[test]
fn it_reads_at_least_97_percent_of_the_digits_held_out() {
    let loaded = digits(&[]);
    let made = interpret(&loaded);
    let (accuracy, loss) = (scalar(&loaded, &made, "accuracy"), scalar(&loaded, &made, "loss"));
    assert!(accuracy >= 0.97, "accuracy {accuracy}");
    assert!(loss < 0.3, "loss {loss}");
}

#[test]
fn a_bad_parameter_is_explained_by_the_program() {
    let error = example(DIGITS, &[("shards", "7")]);
    let error = error.expect_err("7 does not divide 64").to_string();
    assert!(error.contains("digits.star:28: ") && error.contains("batch = 64"), "{error}");
}
