//! Objects as they are typed: `obj-...`, `JOB:OUTPUT`, `JOB/TASK`, `JOB/TASK/2`.

use drawloom_client::{ObjectRef, TaskRef};

/// Reads an object's name.
pub fn parse_object(text: &str) -> Result<ObjectRef, String> {
    if let Some((job, name)) = text.split_once(':') {
        let job = job.parse().map_err(|error| format!("{error}"))?;
        if name.is_empty() {
            return Err(format!("{text:?} names no output after the job"));
        }
        return Ok(ObjectRef::Output { job, name: name.to_owned() });
    }
    if let Some((job, rest)) = text.split_once('/') {
        let job = job.parse().map_err(|error| format!("{error}"))?;
        let (task, output) = rest.rsplit_once('/').unwrap_or((rest, "0"));
        let output = output.parse();
        let output = output.map_err(|_| format!("{text:?} ends in no number of an output"))?;
        if task.is_empty() {
            return Err(format!("{text:?} names no task after the job"));
        }
        return Ok(ObjectRef::Task { job, task: TaskRef::parse(task), output });
    }
    text.parse().map(ObjectRef::Put).map_err(|_| {
        format!("{text:?} is no object: write obj-..., JOB:OUTPUT, JOB/TASK or JOB/TASK/NUMBER")
    })
}

/// Writes an object's name so that [`parse_object`] reads it.
pub fn show_object(object: &ObjectRef) -> String {
    match object {
        ObjectRef::Put(id) => id.to_string(),
        ObjectRef::Output { job, name } => format!("{job}:{name}"),
        ObjectRef::Task { job, task: TaskRef::Index(task), output } => {
            format!("{job}/{task}/{output}")
        }
        ObjectRef::Task { job, task: TaskRef::Name(task), output } => {
            format!("{job}/{task}/{output}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_their_text_form() {
        let digits = "0".repeat(31);
        for text in [
            format!("obj-{digits}7"),
            format!("job-{digits}7:sum"),
            format!("job-{digits}7:a/b:c"),
            format!("job-{digits}7/3/0"),
            format!("job-{digits}7/train/2"),
        ] {
            assert_eq!(show_object(&parse_object(&text).expect(&text)), text);
        }
        let first = parse_object(&format!("job-{digits}7/a")).expect("a task");
        assert!(matches!(first, ObjectRef::Task { output: 0, .. }));
        for (text, part) in [
            ("thing".to_owned(), "is no object: write"),
            ("job-1:sum".to_owned(), "not a job id"),
            (format!("job-{digits}7:"), "names no output"),
            (format!("job-{digits}7/a/b"), "no number of an output"),
            (format!("job-{digits}7/"), "names no task"),
        ] {
            let error = parse_object(&text).expect_err(&text);
            assert!(error.contains(part), "{error}");
        }
    }
}
